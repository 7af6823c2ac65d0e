/**
 * The images of the control plane's own pods. What they do is done by the controllers of this room; the processes
 * are there to be seen, and CoreDNS and the API server's port are real.
 */
import { linuxCommands } from '../host/commands/table.ts'
import type { Image } from '../host/images/image.ts'
import { parseReference, withPrograms } from '../host/images/image.ts'
import type { Process, Program } from '../host/process.ts'
import { ANY } from '../wire/address.ts'
import { NODE_LOCAL_IMAGE, nodeCache } from './nodelocal.ts'

export const API_PORT = 6443

const idle: Program = (self) => self.forever()

/** Go's TLS server, told something that is not TLS. */
const PLAIN = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'
/** A TLS alert, fatal, handshake_failure: podwire has no TLS. */
const ALERT = Uint8Array.of(0x15, 3, 1, 0, 2, 2, 40)

const apiServer: Program = async (self) => {
  const socket = self.tcp()
  const listener = socket.bind(ANY, API_PORT) ?? socket.listen(128)
  if (typeof listener === 'string') {
    self.err(`failed to create listener: failed to listen on 0.0.0.0:${API_PORT}: bind: address already in use\n`)
    return 1
  }
  self.own(listener)
  listener.onAccept = (connection) => answer(self, connection)
  return self.forever()
}

type Connection = ReturnType<Process['tcp']>

function answer(self: Process, connection: Connection): void {
  const first = new Uint8Array(1)
  self.own(connection)
  connection.onClose = () => self.disclaim(connection)
  connection.onReadable = () => {
    if (connection.read(first) === 1) connection.write(first[0] === 0x16 ? ALERT : new TextEncoder().encode(PLAIN))
    self.disclaim(connection)
    connection.close()
  }
}

function image(name: string, program: string, run: Program): Image {
  return { name, programs: new Map([[program, run]]), entrypoint: [program], fixed: 1 }
}

export class SystemImages {
  readonly #images: ReadonlyMap<string, Image>

  readonly #coredns: Program

  constructor(coredns: Program, kubeProxy: Program, kubeRouter: Program = idle) {
    this.#coredns = coredns
    const all = [
      image('registry.k8s.io/coredns/coredns', 'coredns', coredns),
      image('registry.k8s.io/etcd', 'etcd', idle),
      image('registry.k8s.io/kube-apiserver', 'kube-apiserver', apiServer),
      image('registry.k8s.io/kube-controller-manager', 'kube-controller-manager', idle),
      image('registry.k8s.io/kube-scheduler', 'kube-scheduler', idle),
      image('registry.k8s.io/kube-proxy', 'kube-proxy', kubeProxy),
      image('ghcr.io/flannel-io/flannel', 'flanneld', idle),
      image('cloudnativelabs/kube-router', 'kube-router', kubeRouter),
    ]
    const cache = { name: NODE_LOCAL_IMAGE, entrypoint: ['node-cache'], fixed: 1 }
    const commands = withPrograms(linuxCommands(), { 'node-cache': nodeCache(coredns) })
    all.push({ ...cache, programs: commands })
    this.#images = new Map(all.map((each) => [each.name, each]))
  }

  find(reference: string): Image | null {
    return this.#images.get(parseReference(reference).name) ?? null
  }

  /** agnhost has CoreDNS in it, for tests that bring a name server of their own. */
  withCoreDns(image: Image | null): Image | null {
    if (image === null || !image.programs.has('agnhost')) return image
    return { ...image, programs: withPrograms(image.programs, { coredns: this.#coredns }) }
  }
}
