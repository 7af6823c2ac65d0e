/**
 * `kubectl edit`. podwire's shell has no screen editor: KUBE_EDITOR or EDITOR must be a command that changes the
 * file by itself, such as `sed -i s/ClusterIP/NodePort/`.
 */
import { send } from '../change.ts'
import { tellObject } from '../creation.ts'
import { Failure, fail } from '../failure.ts'
import { copyOf, nameOf } from '../field.ts'
import { text, unmodelled } from '../flags.ts'
import { FILE_FLAGS } from '../manifests.ts'
import { toYaml } from '../print/yaml.ts'
import { report, SELECTION_FLAGS, select } from '../selection.ts'
import type { Command, Session } from '../session.ts'

const BANNER =
  "# Please edit the object below. Lines beginning with a '#' will be ignored,\n" +
  '# and an empty file will abort the edit. If an error occurs while saving this file will be\n' +
  '# reopened with the relevant failures.\n#\n'

export const edit: Command = {
  name: 'edit',
  flags: [
    ...SELECTION_FLAGS,
    ...FILE_FLAGS,
    text('output', 'o'),
    text('field-manager'),
    ...unmodelled('save-config', 'output-patch', 'subresource', 'windows-line-endings'),
  ],
  async run(session) {
    const editor = session.self.env.KUBE_EDITOR || session.self.env.EDITOR || ''
    const interactive = /^(|.*\/)(vi|vim|nano|emacs|ed|code)(\s|$)/.test(editor)
    if (editor === '' || interactive) {
      throw new Failure(
        'podwire: an editor on the screen is not modelled: set KUBE_EDITOR to a command that changes the file, ' +
          "such as KUBE_EDITOR='sed -i s/ClusterIP/NodePort/', or use kubectl patch",
      )
    }
    const { found, failures } = await select(session, session.args)
    report(failures)
    for (const { object, resource } of found) {
      const path = `/tmp/kubectl-edit-${resource.singular}-${nameOf(object)}.yaml`
      const before = `${BANNER}${toYaml(object)}`
      const after = await edited(session, editor, path, before)
      if (after === before || after.trim() === '') {
        session.err('Edit cancelled, no changes made.\n')
        continue
      }
      const wanted = session.cluster.parse(after, path)[0]
      if (wanted === undefined) fail('Edit cancelled, saved file was empty.')
      const changed = send(session, object, copyOf(wanted))
      if (changed === null) session.err('Edit cancelled, no changes made.\n')
      else tellObject(session, changed, 'edited')
    }
    return 0
  },
}

/** Runs the editor on a file; the file is where the editor, a command of the place, looks for it. */
async function edited(session: Session, editor: string, path: string, before: string): Promise<string> {
  const { files } = session.self.place
  files.set(path, before)
  try {
    const code = await session.self.shell(`${editor} ${path}`)
    if (code !== 0) fail(`there was a problem with the editor "${editor}"`)
    return files.get(path) ?? ''
  } finally {
    files.delete(path)
  }
}
