export { RemoteRootMachine, type WorkerScript } from './remote-root-machine.ts'
