import { defineConfig } from 'vitest/config'

// Where CI wants the results as JSON, beside the text for people.
const report = process.env.PODWIRE_TEST_REPORT

/** `npm run test:redis`: with the redis-server or valkey-server that is installed on this machine. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/redis/*.redis.ts'],
    // Each test starts processes, and waits until a dead one is given up.
    testTimeout: 240_000,
    hookTimeout: 60_000,
    reporters: report === undefined ? ['verbose'] : ['verbose', ['json', { outputFile: report }]],
  },
})
