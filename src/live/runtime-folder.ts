/**
 * Where running emulators are found by others of the same user: a folder that nobody else can enter, with a socket for each
 * emulator, and the listing that Wireshark's plugin shows (`NAME.PID.extcap`).
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

const SOCKET = '.sock'
/** sockaddr_un has 108 bytes for the path and its final zero. */
const LONGEST_PATH = 107
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
const LONGEST_NAME = 40

/** What keeps the folder, a name or an emulator from being used; a sentence. */
export class LiveError extends RangeError {
  override readonly name = 'LiveError'
}

/** Of this user, under $XDG_RUNTIME_DIR when there is such a place, else beside other temporary files. */
export function runtimeFolder(env: NodeJS.ProcessEnv = process.env): string {
  const runtime = env.XDG_RUNTIME_DIR
  if (runtime && ours(runtime)) return join(runtime, 'podwire')
  return join(tmpdir(), `podwire-${userInfo().uid}`)
}

function ours(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found !== undefined && found.isDirectory() && found.uid === userInfo().uid
}

/** Makes the folder, or sees to it that it is ours alone. @throws LiveError */
export function makeFolder(folder = runtimeFolder()): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (!ours(folder)) throw new LiveError(`podwire: ${folder} belongs to somebody else`)
  chmodSync(folder, 0o700)
  return folder
}

/** A name for files and options, out of any text. */
export function nameOf(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '')
  return plain.slice(0, LONGEST_NAME) || 'lab'
}

/** Null when the name can be one. */
export function nameProblem(name: string): string | null {
  if (NAME.test(name) && name.length <= LONGEST_NAME) return null
  return `an emulator's name has letters, digits, dots, dashes and underscores, at most ${LONGEST_NAME}`
}

/** @throws LiveError when the path is longer than sockets' paths can be. */
export function socketPath(name: string, folder = runtimeFolder()): string {
  const path = join(folder, `${name}${SOCKET}`)
  if (Buffer.byteLength(path) <= LONGEST_PATH) return path
  throw new LiveError(`podwire: ${path} is too long for a socket; set XDG_RUNTIME_DIR to a shorter folder`)
}

/** What `podwire up` keeps for Wireshark's plugin; the process's number tells whether it still holds. */
export function listingPath(name: string, folder = runtimeFolder()): string {
  return join(folder, `${name}.${process.pid}.extcap`)
}

/** Connects to an emulator; null when nobody listens there. */
export function reach(path: string): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.off('error', failed)
      resolve(socket)
    })
    const failed = (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(null)
      else reject(new LiveError(`podwire: ${path}: ${error.message}`))
    }
    socket.once('error', failed)
  })
}

/** The names of all emulators that run, sorted; what dead ones left behind is removed. */
export async function running(folder = runtimeFolder()): Promise<string[]> {
  const files = list(folder).filter((file) => file.endsWith(SOCKET))
  const names: string[] = []
  for (const file of files.sort()) {
    const socket = await reach(join(folder, file))
    const name = file.slice(0, -SOCKET.length)
    if (socket !== null) names.push(name)
    else clean(name, folder)
    socket?.destroy()
  }
  return names
}

/** This name, or with a number behind it while others have it. */
export async function freeName(name: string): Promise<string> {
  const taken = new Set(await running())
  if (!taken.has(name)) return name
  for (let number = 2; ; number++) if (!taken.has(`${name}-${number}`)) return `${name}-${number}`
}

/** Removes the socket and the listing of an emulator that is no more. */
export function clean(name: string, folder = runtimeFolder()): void {
  rmSync(join(folder, `${name}${SOCKET}`), { force: true })
  for (const file of list(folder)) {
    if (file.startsWith(`${name}.`) && /^[0-9]+\.extcap$/.test(file.slice(name.length + 1))) {
      rmSync(join(folder, file), { force: true })
    }
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
