/** Modules that a loader.conf asks for, in its order; a later line for the same module counts. Source: loader.conf(5). */
export function loaderModules(text: string): string[] {
  const wanted = new Map<string, boolean>()
  for (const line of text.split('\n')) {
    const [, module, value] = /^\s*(\w+)_load\s*=\s*"?([^"#]*?)"?\s*(?:#.*)?$/.exec(line) ?? []
    if (module !== undefined && value !== undefined) wanted.set(module, value.toUpperCase() === 'YES')
  }
  return [...wanted].filter(([, yes]) => yes).map(([module]) => module)
}
