/** How long the control plane takes, in virtual time: short, steady, and of the order of a quiet real cluster. */
import { MILLISECOND, type Nanos, SECOND } from '../sim/scheduler.ts'

/** From a change to the reaction of a controller or of the scheduler. */
export const CONTROLLER: Nanos = 10 * MILLISECOND
/** From a change of a pod to the kubelet's next step for it. */
export const KUBELET: Nanos = 50 * MILLISECOND
/** Making a sandbox: pause container, namespace, CNI. */
export const SANDBOX: Nanos = 100 * MILLISECOND
/** Creating and starting a container from an image that is there. */
export const CONTAINER: Nanos = 50 * MILLISECOND
/** Asking the registry whether a present image is still the latest. */
export const IMAGE_CHECK: Nanos = 250 * MILLISECOND
/** Stopping containers and taking the sandbox down. */
export const TEARDOWN: Nanos = 100 * MILLISECOND
/** The kubelet asks the runtime this often what is still alive (PLEG). */
export const RELIST: Nanos = SECOND
/** The kubelet looks at each of its pods at least this often, and at what their volumes should hold. */
export const SYNC: Nanos = 60 * SECOND
/** The kubelet looks this often whether its chains are still there. */
export const KUBELET_WATCH: Nanos = 60 * SECOND
/** kube-proxy gathers changes for this long, */
export const PROXY_DELAY: Nanos = 100 * MILLISECOND
/** and writes its rules no more often than this, but for so many times in a row. */
export const PROXY_PERIOD: Nanos = SECOND
export const PROXY_BURST = 2
/** It looks this often whether its chains are still there (syncPeriod). */
export const PROXY_WATCH: Nanos = 30 * SECOND
/** kube-router writes its rules this long after a change, */
export const POLICY_DELAY: Nanos = 100 * MILLISECOND
/** and all of them this often. */
export const POLICY_WATCH: Nanos = 300 * SECOND
/** Restarts and pulls that fail wait 10 s, then twice as long each time, up to five minutes. */
export const BACKOFF_FIRST: Nanos = 10 * SECOND
export const BACKOFF_MOST: Nanos = 300 * SECOND
/** A node that is silent for this long is not ready. */
export const NODE_GRACE: Nanos = 40 * SECOND
/** Between the control plane's nodes and the others, when a cluster is made. */
export const JOIN: Nanos = 500 * MILLISECOND
