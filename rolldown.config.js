/** The command as one file: src/cli/bundle.ts says why, and runs it. */
export default {
  input: 'dist/cli/podwire.js',
  platform: 'node',
  logLevel: 'silent',
  output: { file: 'dist/podwire.cjs', format: 'cjs' },
  onLog: (level, log, handle) => {
    if (level === 'warn') throw new Error(log.message)
    handle(level, log)
  },
}
