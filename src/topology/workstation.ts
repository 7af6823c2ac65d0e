/** kubectl as it is installed at the workstation: manifests are read from beside the topology file. */
import type { Process, Program } from '../host/process.ts'
import type { Cluster } from '../kube/cluster.ts'
import { type Files, PlaceFiles } from '../kube/kubectl/files.ts'
import { kubectl } from '../kube/kubectl/kubectl.ts'
import type { FileAccess } from './load.ts'

/** What the workstation's shell wrote comes first, then what lies on the disk. */
class WorkstationFiles implements Files {
  readonly #own: PlaceFiles
  readonly #disk: FileAccess

  constructor(self: Process, disk: FileAccess) {
    this.#own = new PlaceFiles(self)
    this.#disk = disk
  }

  read(path: string): string | null {
    return this.#own.read(path) ?? this.#disk.readFile(path)
  }

  write(path: string, text: string): void {
    this.#own.write(path, text)
  }

  remove(path: string): void {
    this.#own.remove(path)
  }

  list(path: string): readonly string[] | null {
    return this.#own.list(path) ?? this.#disk.listFolder(path)
  }
}

export function kubectlProgram(cluster: Cluster, disk: FileAccess): Program {
  return kubectl({ ...cluster.kubectl(), files: (self: Process) => new WorkstationFiles(self, disk) })
}
