/** Every command of podwire's kubectl by its name, and the names that group others. */
import { apply } from './commands/apply.ts'
import * as config from './commands/config.ts'
import { create, replace } from './commands/create.ts'
import { createConfigMap, createDeployment, createNamespace } from './commands/create-kinds.ts'
import * as service from './commands/create-service.ts'
import { remove } from './commands/delete.ts'
import { describe } from './commands/describe.ts'
import { edit } from './commands/edit.ts'
import { attach, exec } from './commands/exec.ts'
import { get } from './commands/get.ts'
import * as information from './commands/information.ts'
import { annotate, label } from './commands/label.ts'
import { logs } from './commands/logs.ts'
import * as node from './commands/node.ts'
import * as rollout from './commands/rollout.ts'
import { run } from './commands/run.ts'
import { patch, scale, setImage } from './commands/scale.ts'
import { wait } from './commands/wait.ts'
import type { Command } from './session.ts'

const ALL: readonly Command[] = [
  get,
  describe,
  apply,
  create,
  createNamespace,
  createDeployment,
  createConfigMap,
  service.createClusterIp,
  service.createNodePort,
  service.createLoadBalancer,
  service.createExternalName,
  service.expose,
  replace,
  run,
  remove,
  exec,
  attach,
  logs,
  label,
  annotate,
  scale,
  setImage,
  patch,
  edit,
  wait,
  rollout.rolloutStatus,
  rollout.rolloutRestart,
  rollout.rolloutHistory,
  rollout.rolloutUndo,
  config.currentContext,
  config.getContexts,
  config.useContext,
  config.setContext,
  config.deleteContext,
  config.getClusters,
  config.viewConfig,
  information.version,
  information.clusterInfo,
  information.apiResources,
  information.apiVersions,
  information.top,
  information.explain,
  node.taint,
  node.cordon,
  node.uncordon,
  node.drain,
]

export const COMMANDS: ReadonlyMap<string, Command> = new Map(ALL.map((command) => [command.name, command]))

/** First words that others follow. */
export const GROUPS: Readonly<
  Record<string, { readonly names: readonly string[]; readonly aliases?: Readonly<Record<string, string>> }>
> = {
  create: {
    names: ['configmap', 'deployment', 'namespace', 'service'],
    aliases: { deploy: 'deployment', ns: 'namespace', svc: 'service', cm: 'configmap' },
  },
  rollout: { names: ['history', 'restart', 'status', 'undo', 'pause', 'resume'] },
  set: { names: ['image', 'env', 'resources', 'selector', 'serviceaccount'] },
  config: {
    names: ['current-context', 'delete-context', 'get-clusters', 'get-contexts', 'set-context', 'use-context', 'view'],
    aliases: { use: 'use-context' },
  },
}
