/**
 * The command as one file (src/cli/bundle.ts says why, and runs it), the processes and threads of benches in the same
 * form, and the library as one, without its packages: V8 takes what a file declares for what it is, and looks up what it imports each time it is
 * used. Forwarding is a third faster.
 */
const common = {
  platform: 'node',
  logLevel: 'silent',
  onLog: (level, log, handle) => {
    if (level === 'warn') throw new Error(log.message)
    handle(level, log)
  },
}

export default [
  { ...common, input: 'dist/cli/podwire.js', output: { file: 'dist/podwire.cjs', format: 'cjs' } },
  { ...common, input: 'dist/bench/child.js', output: { file: 'dist/bench/child.cjs', format: 'cjs' } },
  { ...common, input: 'dist/bench/sweep-thread.js', output: { file: 'dist/bench/sweep-thread.cjs', format: 'cjs' } },
  { ...common, input: 'dist/index.js', external: /^[^./]/, output: { file: 'dist/library.js', format: 'esm' } },
]
