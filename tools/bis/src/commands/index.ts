import type { Command } from '../command.ts'

/** The commands by name, each loaded only when it is used. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./start.ts')).start,
  boot: async () => (await import('./boot.ts')).boot,
  disk: async () => (await import('./disk/disk.ts')).disk,
  bench: async () => (await import('./bench.ts')).bench,
  host: async () => (await import('./host.ts')).host,
  net: async () => (await import('./net.ts')).net,
  kldstat: async () => (await import('./guest-kernel.ts')).kldstat,
  kldload: async () => (await import('./guest-kernel.ts')).kldload,
  kldunload: async () => (await import('./guest-kernel.ts')).kldunload,
  sysctl: async () => (await import('./guest-kernel.ts')).sysctl,
  features: async () => (await import('./features.ts')).features,
  port: async () => (await import('./port.ts')).port,
  fcopyd: async () => (await import('./fcopyd.ts')).fcopyd,
  vssd: async () => (await import('./vssd.ts')).vssd,
  vm: async () => (await import('./vm.ts')).vm,
  kvp: async () => (await import('./kvp/kvp.ts')).kvp,
  kvpd: async () => (await import('./kvpd.ts')).kvpd,
  nbd: async () => (await import('./nbd.ts')).nbd,
}
