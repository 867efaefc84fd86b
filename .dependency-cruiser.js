// Who may import whom. Everything may import hyperv-types; the exceptions below are the whole list.

const SOURCE = '^packages/([^/]+)/src/'
const TESTS = String.raw`\.test\.ts$`

/** What a package may import of ours besides itself and hyperv-types. */
const ALSO = { kvp: ['utils'], host: ['vhdx'] }

/** May import everything of ours. */
const FREE = ['hyperv-is']

function mayImport(name, others) {
  return {
    name: `${name}-imports`,
    comment: `${name} imports only ${['hyperv-types', ...others].join(' and ')} of our packages`,
    from: { path: `^packages/${name}/src/`, pathNot: TESTS },
    to: { path: '^packages/', pathNot: `^packages/(${[name, 'hyperv-types', ...others].join('|')})/` },
  }
}

const rules = [
  {
    name: 'types-only',
    comment: 'a package imports only hyperv-types of our packages; a driver gets its Channel from the bus',
    from: { path: SOURCE, pathNot: [TESTS, `^packages/(${[...Object.keys(ALSO), ...FREE].join('|')})/`] },
    to: { path: '^packages/', pathNot: '^packages/($1|hyperv-types)/' },
  },
  ...Object.entries(ALSO).map(([name, others]) => mayImport(name, others)),
  {
    name: 'no-tools',
    comment: 'a published package must not need a tool of this repository',
    from: { path: SOURCE, pathNot: TESTS },
    to: { path: '^tools/' },
  },
  {
    name: 'node-at-the-edge',
    comment: 'only src/node/ may use Node.js; the rest of a package runs in a browser too',
    from: { path: SOURCE, pathNot: [TESTS, '^packages/[^/]+/src/node/'] },
    to: { dependencyTypes: ['core'] },
  },
  {
    name: 'edge-not-from-inside',
    comment: 'what runs everywhere must not import src/node/, or it would not',
    from: { path: SOURCE, pathNot: [TESTS, '^packages/[^/]+/src/node/'] },
    to: { path: '^packages/[^/]+/src/node/' },
  },
  {
    name: 'no-dev-dependency',
    comment: 'what a source needs stands in dependencies, or the published package lacks it',
    from: { path: SOURCE, pathNot: TESTS },
    // A peer is a development dependency too, for the tests.
    to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm-peer'] },
  },
  {
    name: 'through-the-front-door',
    comment: 'another package is imported by its name, never by a path into its folder',
    from: { path: '^(?:packages|tools)/([^/]+)/' },
    to: { path: '^(?:packages|tools)/', pathNot: '^(?:packages|tools)/$1/', dependencyTypes: ['local'] },
  },
  { name: 'no-cycle', comment: 'a cycle is a defect', from: {}, to: { circular: true } },
  { name: 'resolvable', comment: 'every import leads somewhere', from: {}, to: { couldNotResolve: true } },
]

export default {
  forbidden: rules.map((rule) => ({ ...rule, severity: 'error' })),
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(packages|tools)/[^/]+/dist/' },
    tsConfig: { fileName: 'tsconfig.base.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@bis/source', 'types', 'import', 'node', 'default'],
    },
  },
}
