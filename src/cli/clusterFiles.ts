/**
 * Files that start workers on a cluster.
 *
 * Role: `aira worker --print`: a Slurm array job, a Kubernetes Job, a Docker Compose file, a SkyPilot task, and values of
 * NATS's Helm chart. Non-role: submitting them, queues of its own.
 *
 *   CLU-1  One worker per task and GPU: a scheduler preempts and counts the unit that it started.
 *   CLU-2  A file holds paths of credentials and never a secret; language-model keys are in none, since workers call no model.
 *   CLU-3  A worker that had to leave ends with status 75 or 143 and is started again; one without work ends with 0 and is not.
 *   CLU-4  The scheduler waits longer than the worker's grace, so that a job is finished or returned before the kill.
 */
import { basename, resolve } from 'node:path';
import { accountsOf, labUsers } from '../bus/index.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { yamlText } from '../platform/index.ts';
import { exitCodes } from './fail.ts';
import type { NatsOptions } from './setting.ts';

export const clusters = ['slurm', 'kubernetes', 'docker', 'sky', 'nats-chart'] as const;
export type Cluster = (typeof clusters)[number];

export interface ClusterOptions extends NatsOptions {
  readonly nats: string;
  /** Of the lab, for its accounts. */
  readonly home: string;
  readonly count: number;
  /** Of each worker. */
  readonly gpus: number;
  readonly cpus: number;
  /** Seconds. */
  readonly grace: number;
  /** Minutes. */
  readonly maxIdle?: number;
  /** Hours. */
  readonly lifetime?: number;
  readonly task?: readonly string[];
  readonly primitives?: readonly string[];
  readonly storage?: string;
}

/** Defaults of the files: an idle allocation is paid for, and schedulers limit the time of a job. */
const defaults = { maxIdle: 10, lifetime: 24 };
/** Between the end of a worker's grace and the kill, in seconds. */
const marginSeconds = 20;
const image = 'aira:latest';
const memoryGibPerCpu = 4;

const shell = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** The variables that a worker reads its address and credentials from, as paths. */
function environment(
  options: ClusterOptions,
  place: (path: string) => string = (path) => path,
): Record<string, string> {
  const files = {
    AIRA_NATS_NKEY: options.natsNkey,
    AIRA_NATS_CREDS: options.natsCreds,
    AIRA_NATS_CA: options.natsCa,
    AIRA_NATS_CERT: options.natsCert,
    AIRA_NATS_KEY: options.natsKey,
  };
  const given = Object.entries(files).flatMap(([name, path]) => (path === undefined ? [] : [[name, place(path)]]));
  return { NATS_URL: options.nats, ...Object.fromEntries(given) };
}

function workerArguments(options: ClusterOptions, lifetime: number | null): string[] {
  const { maxIdle = defaults.maxIdle, grace, gpus, storage } = options;
  return [
    ...['worker', '--workers', '1', '--grace', `${grace}`, '--max-idle', `${maxIdle}`],
    ...(lifetime === null ? [] : ['--lifetime', `${lifetime}`]),
    ...(storage === undefined ? [] : ['--storage', storage]),
    ...(storage === undefined || gpus < 2 ? [] : ['--devices', `${gpus}`]),
    ...(options.task ?? []).flatMap((folder) => ['--task', folder]),
    ...(options.primitives ?? []).flatMap((folder) => ['--primitives', folder]),
  ];
}

/** Days, hours, minutes and seconds, as Slurm reads them. */
function slurmTime(hours: number): string {
  const seconds = Math.ceil(hours * 3600);
  const two = (value: number) => `${Math.floor(value)}`.padStart(2, '0');
  return `${Math.floor(seconds / 86_400)}-${two((seconds % 86_400) / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
}

/**
 * Preemption signals the steps, and on some clusters the batch shell too; the notice before the time limit (`B:`) reaches
 * the shell alone. A shell that ended after a preemption would have its job counted as completed instead of queued again.
 */
function slurm(options: ClusterOptions): string {
  const { count, cpus, gpus, lifetime = defaults.lifetime, grace } = options;
  const exports = Object.entries(environment(options)).map(([name, value]) => `export ${name}=${shell(value)}`);
  const command = workerArguments(options, lifetime).map(shell).join(' ');
  return `#!/bin/bash
# Workers of an Aira lab, one per array task. Submit with: sbatch <this file>
# A task that is preempted or reaches its time limit is queued again; one that finds no job ends.
#SBATCH --job-name=aira-worker
#SBATCH --array=0-${count - 1}
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=${cpus}
#SBATCH --mem=${memoryGibPerCpu * cpus}G
${gpus > 0 ? `#SBATCH --gpus=${gpus}\n` : ''}#SBATCH --time=${slurmTime(lifetime)}
#SBATCH --requeue
#SBATCH --signal=B:USR1@${grace + marginSeconds}
#SBATCH --open-mode=append
#SBATCH --output=aira-worker-%A_%a.log

${exports.join('\n')}
# In a container: aira=(apptainer exec --nv aira.sif aira)
aira=(aira)

step=
trap 'kill -USR1 $step 2>/dev/null' USR1
trap 'kill -TERM $step 2>/dev/null' TERM
srun "\${aira[@]}" ${command} &
step=$!
# A signal ends a wait early: the last one, of an ended step, has its status.
while kill -0 "$step" 2>/dev/null; do wait "$step"; done
trap '' USR1 TERM
wait "$step"
status=$?
case $status in
  ${exitCodes.again}) scontrol requeue "$SLURM_JOB_ID"; exec sleep ${grace + 2 * marginSeconds} ;;
  # Slurm has signalled the job and now ends it: queued again after a preemption, or cancelled.
  ${exitCodes.terminated}) exec sleep ${grace + 60 * marginSeconds} ;;
esac
exit "$status"
`;
}

const credentialOptions = ['natsNkey', 'natsCreds', 'natsCa', 'natsCert', 'natsKey'] as const;
const credentials = '/credentials';
const inPod = (path: string) => `${credentials}/${basename(path)}`;

function kubernetes(options: ClusterOptions): string {
  const { count, cpus, gpus, grace } = options;
  const paths = credentialOptions.flatMap((name) => options[name] ?? []);
  const env = Object.entries(environment(options, inPod)).map(([name, value]) => ({ name, value }));
  const resources = {
    cpu: `${cpus}`,
    memory: `${memoryGibPerCpu * cpus}Gi`,
    ...(gpus > 0 ? { 'nvidia.com/gpu': gpus } : {}),
  };
  const labels = { 'app.kubernetes.io/name': 'aira-worker' };
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'aira-worker', labels },
    spec: {
      completionMode: 'Indexed',
      completions: count,
      parallelism: count,
      backoffLimitPerIndex: 3,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [
          // Preempted, evicted, drained: starts again and does not count as a failure.
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          {
            action: 'Ignore',
            onExitCodes: { containerName: 'worker', operator: 'In', values: [exitCodes.again, exitCodes.terminated] },
          },
        ],
      },
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: grace + marginSeconds,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
          containers: [
            {
              name: 'worker',
              image,
              args: workerArguments(options, options.lifetime ?? null),
              env,
              resources: { requests: resources, limits: resources },
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
              volumeMounts: [
                ...(paths.length > 0 ? [{ name: 'credentials', mountPath: credentials, readOnly: true }] : []),
                { name: 'scratch', mountPath: '/lab' },
              ],
            },
          ],
          volumes: [
            // Readable for the group, which is this pod's own.
            ...(paths.length > 0
              ? [{ name: 'credentials', secret: { secretName: 'aira-worker', defaultMode: 0o440 } }]
              : []),
            { name: 'scratch', emptyDir: {} },
          ],
        },
      },
    },
  };
  const files = paths.map((path) => `--from-file=${shell(path)}`).join(' ');
  return `# Workers of an Aira lab. Start with:
${files === '' ? '' : `#   kubectl create secret generic aira-worker ${files}\n`}#   kubectl apply -f <this file>
# Programs of agents need user namespaces in the pod; without them the worker says so and trains stacks only.
${yamlText(job)}`;
}

function docker(options: ClusterOptions): string {
  const { count, cpus, gpus, grace } = options;
  const paths = credentialOptions.flatMap((name) => options[name] ?? []);
  const file = {
    services: {
      worker: {
        image,
        command: workerArguments(options, options.lifetime ?? null),
        environment: environment(options, inPod),
        volumes: paths.map((path) => `${path}:${inPod(path)}:ro`),
        init: true,
        restart: 'on-failure',
        stop_signal: 'SIGTERM',
        stop_grace_period: `${grace + marginSeconds}s`,
        deploy: {
          replicas: count,
          resources: {
            limits: { cpus: `${cpus}`, memory: `${memoryGibPerCpu * cpus}g` },
            ...(gpus > 0
              ? { reservations: { devices: [{ driver: 'nvidia', count: gpus, capabilities: ['gpu'] }] } }
              : {}),
          },
        },
      },
    },
  };
  return `# Workers of an Aira lab. The image is that of Aira's Dockerfile: docker build -t aira .
# Start with: docker compose -f <this file> up
# Compose gives every replica the first GPUs: for several GPUs of one machine set deploy.replicas to 1, devices.count to all,
# and remove "--workers 1" from the command, which then has one worker per GPU.
${yamlText(file)}`;
}

function sky(options: ClusterOptions): string {
  const { count, cpus, gpus, lifetime } = options;
  const mounts = credentialOptions.flatMap((name) => options[name] ?? []);
  const task = {
    name: 'aira-worker',
    num_nodes: count,
    resources: {
      cpus: `${cpus}+`,
      ...(gpus > 0 ? { accelerators: `H100:${gpus}` } : {}),
      use_spot: true,
      image_id: `docker:${image}`,
      job_recovery: { max_restarts_on_errors: 3, recover_on_exit_codes: [exitCodes.again, exitCodes.terminated] },
    },
    envs: environment(options, (path) => `/tmp/aira/${basename(path)}`),
    file_mounts: Object.fromEntries(mounts.map((path) => [`/tmp/aira/${basename(path)}`, path])),
    run: `exec aira ${workerArguments(options, lifetime ?? null)
      .map(shell)
      .join(' ')}\n`,
  };
  return `# Workers of an Aira lab. Start with: sky jobs launch <this file>
# Another accelerator: see "sky show-gpus". The image is that of Aira's Dockerfile, pushed to your registry.
${yamlText(task)}`;
}

/** One server: the streams have one copy, and the archive fills an empty server again. */
function natsChart({ nats, home }: ClusterOptions): string {
  const host = new URL(nats.includes('://') ? nats : `nats://${nats}`).hostname;
  const values = {
    config: {
      cluster: { enabled: false },
      jetstream: {
        enabled: true,
        fileStore: { pvc: { enabled: true, size: '10Gi' } },
        memoryStore: { enabled: false },
      },
      nats: { port: 4222, tls: { enabled: true, secretName: 'aira-nats-tls' } },
      merge: { max_payload: 1_048_576, accounts: accountsOf(labUsers(home)), system_account: 'SYS' },
    },
    container: { env: { GOMEMLIMIT: '1GiB' }, merge: { resources: { requests: { cpu: '1', memory: '2Gi' } } } },
    promExporter: { enabled: false },
  };
  return `# Values of NATS's Helm chart for an Aira lab at ${host}. The accounts are public keys and
# permissions of the lab's home; print the file again after "aira credentials". Start with:
#   kubectl create secret tls aira-nats-tls --cert=server.pem --key=server.key
#   helm install nats nats/nats --version 2.14.2 --values <this file>
${yamlText(values)}`;
}

const absolute = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(path));

/** The text of a file. @throws PrerequisiteError `cluster-file` for a value that cannot be written on one line. */
export function clusterFile(kind: Cluster, given: ClusterOptions): string {
  const files = Object.fromEntries(credentialOptions.map((name) => [name, absolute(given[name])]));
  const options: ClusterOptions = { ...given, ...files };
  const texts = [...Object.values(environment(options)), ...workerArguments(options, null)];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (texts.some((text) => /[\x00-\x1f\x7f]/.test(text))) {
    throw new PrerequisiteError('cluster-file', 'a path or address contains a control character', 'rename the file');
  }
  if (/\/\/[^/@]*@/.test(options.nats)) {
    throw new PrerequisiteError(
      'cluster-file',
      'the address contains credentials, which the file would show',
      'give them by --nats-nkey or --nats-creds, as a file on the workers’ machines',
    );
  }
  return { slurm, kubernetes, docker, sky, 'nats-chart': natsChart }[kind](options);
}
