import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

// Where CI wants the results as JSON, beside the text for people.
const report = process.env.PODWIRE_TEST_REPORT

export default defineConfig({
  // Programs of users are run as they stand.
  resolve: { alias: { podwire: join(import.meta.dirname, 'src/index.ts') } },
  test: {
    environment: 'node',
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/untraced.ts'],
    // Worlds share nothing, so files need no fresh process each: a third of the time on two cores.
    pool: 'forks',
    isolate: false,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
})
