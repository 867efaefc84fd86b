/** A line of `/proc/self/mounts`. */
export interface Mount {
  readonly source: string
  readonly point: string
  readonly type: string
  readonly options: readonly string[]
}

/** Reads a table as the kernel writes it: blanks in names are octal. Lines that are none are left out. Source: fstab(5). */
export function parseMountTable(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [source, point, type, options] = line.split(' ')
    if (source === undefined || point === undefined || type === undefined || options === undefined) continue
    mounts.push({ source: plain(source), point: plain(point), type, options: options.split(',') })
  }
  return mounts
}

/** An escape stands for one byte, and those that the kernel writes are all of ASCII. */
function plain(name: string): string {
  return name.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
