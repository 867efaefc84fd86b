const SETTING = /^\s*([\w.:-]+)\s*=\s*(?:"([^"]*)"|([^\s"#]*))\s*(?:#.*)?$/

/** The settings of a loader.conf, a later line of a name in the place of an earlier. Source: loader.conf(5). */
export function loaderSettings(text: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, name, quoted, bare = ''] = SETTING.exec(line) ?? []
    if (name === undefined) continue
    // In the place of its last line: modules are loaded in this order.
    settings.delete(name)
    settings.set(name, quoted ?? bare)
  }
  return settings
}

/** Modules that a loader.conf asks for, in its order. Source: loader.conf(5). */
export function loaderModules(text: string): string[] {
  const asked = [...loaderSettings(text)].filter(([name, value]) => /_load$/.test(name) && /^yes$/i.test(value))
  return asked.map(([name]) => name.slice(0, -'_load'.length))
}
