/** The bench as one file, in the form that the command has, and beside it the process that measures: see src/bench/child.ts. */
const bundles = [
  ['out/bench/bench/run.js', 'out/bench/run.cjs'],
  ['out/bench/src/bench/child.js', 'out/bench/child.cjs'],
  ['out/bench/src/bench/sweep-thread.js', 'out/bench/sweep-thread.cjs'],
]

export default bundles.map(([input, file]) => ({
  input,
  platform: 'node',
  logLevel: 'silent',
  // Loaded by sweeps over many machines only.
  external: ['bullmq', 'ioredis'],
  output: { file, format: 'cjs', codeSplitting: false },
}))
