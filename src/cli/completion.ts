/** Shell completion: `podwire complete bash` (zsh, fish, powershell) prints a script to source. */
import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

export function addCompletion(podwire: Command): void {
  tab(podwire)
}
