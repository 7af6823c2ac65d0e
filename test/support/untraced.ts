/** The worlds that a file has traced do not slow down the next file's, which run in the same process. */
import { afterAll } from 'vitest'
import { journal } from '../../src/link/flow-cache.ts'

afterAll(() => journal.forgetWorlds())
