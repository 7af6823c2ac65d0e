/** A thread that does jobs of a sweep, one after the other, in one file as child.ts is. */
import { parentPort } from 'node:worker_threads'
import type { Job } from './sweep-job.ts'
import { runJob } from './sweep-job.ts'

parentPort?.on('message', async (job: Job) => parentPort?.postMessage(await runJob(job)))
