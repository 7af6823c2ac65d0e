/** The bench as one file, in the form that the command has: see bench/run.ts. */
export default {
  input: 'out/bench/bench/run.js',
  platform: 'node',
  logLevel: 'silent',
  output: { file: 'out/bench/run.cjs', format: 'cjs' },
}
