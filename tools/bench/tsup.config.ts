import { library } from '@bis/build/tsup'

export default library({ platform: 'node', shims: true })
