/**
 * The command as one file (src/cli/bundle.ts says why and in what form, and runs it) and what starts it, the processes and threads of benches in the same
 * form, and the library as one, without its packages: V8 takes what a file declares for what it is, and looks up what it imports each time it is
 * used. Forwarding is a third faster.
 */
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'

const common = {
  platform: 'node',
  logLevel: 'silent',
  onLog: (level, log, handle) => {
    if (level === 'warn') throw new Error(log.message)
    handle(level, log)
  },
}

const packages = new URL('node_modules/', import.meta.url)

/**
 * For Node these packages have CommonJS, of which all would be in the bundle, and be run at each start. The same as modules is a tenth
 * of rxjs.
 */
const asModules = {
  alias: {
    rxjs: fileURLToPath(new URL('rxjs/dist/esm/index.js', packages)),
    yaml: fileURLToPath(new URL('yaml/browser/dist/index.js', packages)),
  },
}

/** A chunk as src/cli/bundle.ts reads it. */
const asExpression = {
  name: 'as-expression',
  generateBundle(_, files) {
    for (const chunk of Object.values(files)) chunk.code = expression(chunk.code)
  },
}

function expression(code) {
  if (/\\[^\0-\x7f]|String\.raw/.test(code)) throw new Error('characters beyond ASCII behind a backslash, or read raw')
  const ascii = code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const module = `(function (exports, require, module) {${ascii}\n})`
  return `/*${createHash('sha256').update(module).digest('hex')}*/${module}`
}

export default [
  {
    ...common,
    input: 'dist/cli/podwire.js',
    // Only what it refuses is explained by it, and to load it takes as long as a tenth of a short run.
    external: ['ip-num'],
    resolve: asModules,
    output: { file: 'dist/podwire.cjs', format: 'cjs', comments: { legal: true, annotation: false, jsdoc: false } },
    plugins: [asExpression],
  },
  {
    ...common,
    input: 'dist/cli/main.js',
    external: ['./podwire.js', '../bench/command.js'],
    output: { file: 'dist/cli/main.cjs', format: 'cjs' },
  },
  { ...common, input: 'dist/bench/child.js', output: { file: 'dist/bench/child.cjs', format: 'cjs' } },
  { ...common, input: 'dist/bench/sweep-thread.js', output: { file: 'dist/bench/sweep-thread.cjs', format: 'cjs' } },
  { ...common, input: 'dist/index.js', external: /^[^./]/, output: { file: 'dist/library.js', format: 'esm' } },
]
