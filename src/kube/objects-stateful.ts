/** StatefulSets, as objects.ts has the other kinds. */
import type { KubeObject, LabelSelector, PodTemplate } from './objects.ts'

export interface StatefulSet extends KubeObject {
  kind: 'StatefulSet'
  spec: {
    replicas: number
    selector: LabelSelector
    /** The headless Service that the pods' names are in. */
    serviceName: string
    template: PodTemplate
    podManagementPolicy: 'OrderedReady' | 'Parallel'
    updateStrategy: { type: 'RollingUpdate' | 'OnDelete'; rollingUpdate?: { partition?: number } }
    ordinals?: { start?: number }
    revisionHistoryLimit: number
  }
  status: {
    observedGeneration?: number
    replicas: number
    readyReplicas?: number
    availableReplicas: number
    currentReplicas?: number
    updatedReplicas?: number
    currentRevision?: string
    updateRevision?: string
    collisionCount?: number
  }
}
