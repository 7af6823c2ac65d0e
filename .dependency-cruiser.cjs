/** The floors of podwire, lowest first. A room may import itself and the rooms below it, types included. */
const floors = [
  'wire',
  'sim',
  'link',
  'netfilter',
  'net',
  'socket',
  'tunnel',
  'capture',
  'host',
  'docker',
  'kube',
  'topology',
  'parallel',
  'explain',
  'live',
  'observe',
  'api',
  'bench',
  'cli',
  'dev',
]

/** The rooms that frames pass through: numbers and bytes, nothing that is not ours. */
const dataplane = floors.slice(0, floors.indexOf('host'))

/** Each package, and the files that may import it. */
const homes = {
  'ip-num': ['^src/kube/ipam\\.ts$'],
  'dns-packet': ['^src/host/resolver\\.ts$'],
  yaml: ['^src/topology/', '^src/kube/manifest\\.ts$'],
  rxjs: ['^src/kube/store\\.ts$', '^src/observe/'],
  bullmq: ['^src/bench/'],
  ioredis: ['^src/bench/'],
  'd3-scale': ['^src/bench/'],
  commander: ['^src/cli/'],
  picocolors: ['^src/cli/'],
  zod: ['^src/topology/'],
  '@bomb.sh/tab': ['^src/cli/'],
}

const looksDown = floors.slice(0, -1).map((room, index) => ({
  name: `${room}-looks-down`,
  comment: `${room} may import ${floors.slice(0, index + 1).join(', ')}`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: `^src/(${floors.slice(index + 1).join('|')})/` },
}))

const oneHome = Object.entries(homes).map(([name, where]) => ({
  name: `${name}-has-one-home`,
  comment: `${name} is imported only by ${where.join(', ')}`,
  severity: 'error',
  from: { pathNot: where },
  to: { path: `node_modules/(@types/)?${name}/` },
}))

module.exports = {
  forbidden: [
    ...looksDown,
    ...oneHome,
    {
      name: 'dataplane-is-pure',
      comment: 'below host nothing but our own files: no packages, no node built-ins',
      severity: 'error',
      from: { path: `^src/(${dataplane.join('|')})/` },
      to: { pathNot: '^src/' },
    },
    {
      name: 'built-ins-at-the-edge',
      comment: 'only what touches the real machine imports from it',
      severity: 'error',
      from: { pathNot: '^src/(topology|parallel|live|api|bench|cli|dev)/|^src/host/run\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'packages-are-declared',
      comment: 'every package that ships is in dependencies',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'npm-optional', 'npm-peer'] },
    },
    {
      name: 'imports-resolve',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'every-file-has-a-floor',
      comment: 'a new room is written into the list of floors',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: `^src/(${floors.join('|')})/` },
    },
    {
      name: 'no-index-in-rooms',
      comment: 'import the file that has the thing',
      severity: 'error',
      from: {},
      to: { path: '^src/[^/]+/.*index\\.ts$' },
    },
    {
      name: 'no-cycles',
      comment: 'no circles between files, type imports included',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
}
