/** `npm run captures`: makes the captures in captures/ again. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { goldenCaptures, makeCapture } from './golden-captures.ts'

for (const capture of goldenCaptures) {
  const bytes = await makeCapture(capture, '.')
  writeFileSync(join('captures', capture.file), bytes)
  process.stdout.write(`captures/${capture.file}: ${bytes.length} bytes\n`)
}
