/** The podwire command as a process of its own, for what can only be seen from outside: signals, and what is left behind. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
// Vitest's own bundler: a second, where tsc takes ten.
import { build } from 'vite'

/** The path of a script that node runs; it stands where it finds the packages. The second answer removes it. */
export async function bundledCommand(): Promise<[string, () => void]> {
  const folder = mkdtempSync(join(process.cwd(), 'node_modules', '.podwire-'))
  await build({
    configFile: false,
    logLevel: 'silent',
    build: { ssr: 'src/cli/main.ts', outDir: folder, emptyOutDir: false },
  })
  return [join(folder, 'main.js'), () => rmSync(folder, { recursive: true })]
}
