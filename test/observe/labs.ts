/** Small labs to look into. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Lab } from '../../src/topology/lab.ts'
import { loadTopology } from '../../src/topology/load.ts'

const nothing = { readFile: () => null, listFolder: () => null }

export function labOf(text: string): Promise<Lab> {
  return Lab.build(loadTopology('lab.yaml', text, nothing), { ...nothing, capture: null })
}

/** Two hosts on a switch. */
export function hosts(): Promise<Lab> {
  return labOf('underlay: {cidr: 10.0.0.0/24}\nhosts:\n  - {name: a, ip: 10.0.0.1}\n  - {name: b, ip: 10.0.0.2}\n')
}

/** A topology of the repository, without its steps. */
export function topology(name: string): Promise<Lab> {
  const folder = join(import.meta.dirname, '../../topologies')
  const files = {
    readFile: (path: string) => {
      const file = join(folder, path)
      return existsSync(file) && statSync(file).isFile() ? readFileSync(file, 'utf8') : null
    },
    listFolder: (path: string) => {
      const file = join(folder, path)
      return existsSync(file) && statSync(file).isDirectory() ? readdirSync(file).sort() : null
    },
  }
  const text = readFileSync(join(folder, `${name}.yaml`), 'utf8')
  return Lab.build(loadTopology(`${name}.yaml`, text, files), { ...files, capture: null })
}
