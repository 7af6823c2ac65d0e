import type { Errno } from '../../net/errno.ts'
import type { InetStream } from './inet-stream.ts'

/** What an option is given and gives: a number, a name, or the members of its struct. */
export type OptionValue = number | string | Readonly<Record<string, number>>

export interface Option {
  /** Absent: it can only be read (ENOPROTOOPT). */
  readonly set?: (stream: InetStream, value: number) => Errno | null
  readonly setName?: (stream: InetStream, name: string) => Errno | null
  readonly setStruct?: (stream: InetStream, value: Readonly<Record<string, number>>) => Errno | null
  /** A name of an errno stands for its being returned. */
  readonly get: (stream: InetStream) => OptionValue
}
