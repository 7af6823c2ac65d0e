/** The bench as one file, in the form that the command has, and beside it the process that measures: see src/bench/child.ts. */
const bundles = [
  ['out/bench/bench/run.js', 'out/bench/run.cjs'],
  ['out/bench/src/bench/child.js', 'out/bench/child.cjs'],
]

export default bundles.map(([input, file]) => ({
  input,
  platform: 'node',
  logLevel: 'silent',
  output: { file, format: 'cjs', codeSplitting: false },
}))
