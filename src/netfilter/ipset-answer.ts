/** What the command ipset prints to standard output and to standard error, and its exit code. */
export interface Answer {
  out: string
  err: string
  code: number
}
