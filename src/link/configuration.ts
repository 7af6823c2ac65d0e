/** Which configuration the process is in: everything that decides what becomes of a frame, and is no entry that lives and dies. */
const configuration = { generation: 0 }

/** Changes with every change of configuration in the process. */
export function configurationGeneration(): number {
  return configuration.generation
}

/** Some table, switch or port is another one: no recorded pass is sure any more. */
export function configurationChanged(): void {
  configuration.generation++
}
