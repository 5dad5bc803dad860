import { mkdtempSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import {
  allOnPath,
  driverVersion,
  type Environment,
  findNatsServer,
  findPython,
  freeBytes,
  leastFreeBytes,
  listedGpus,
  machinePaths,
  makeFolder,
  runProgram,
  setupRemedy,
  type ToolchainPaths,
} from '../platform/index.ts';
import { describeSandbox, probeSandbox } from '../sandbox/index.ts';
import { workerCommand } from './stacks/engine.ts';
import { NativeWorker } from './stacks/nativeWorker.ts';

/** One item of the diagnosis. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly remedy?: string;
}

export interface ExamineOptions {
  /** The archive's directory. */
  readonly home: string;
  readonly places?: ToolchainPaths;
  readonly nodeVersion?: string;
  /** Of a machine that only trains: no nats-server, compiler or archive. */
  readonly trainsOnly?: boolean;
}

/** As `engines.node` of package.json. */
const leastNode = { major: 20, minor: 19 };
/**
 * float32 FLOP/s of a square matrix product on one core. An optimised BLAS reaches at least 16 per cycle, which is 30 GFLOP/s
 * and more on any processor with AVX; the reference BLAS, one or two per cycle.
 */
const slowBlasFlops = 10e9;

const gigaflops = (flops: number) => `${(flops / 1e9).toFixed(1)} GFLOP/s`;
const megabytes = (bytes: number) => `${Math.floor(bytes / 1024 / 1024)} MB`;
const firstLine = (text: string) => text.trim().split('\n')[0] ?? '';

/** A failed check for an error. */
function failed(name: string, thrown: unknown, remedy: string): Check {
  const own = thrown instanceof PrerequisiteError ? thrown.remedy : remedy;
  return { name, ok: false, detail: errorMessage(thrown), remedy: own };
}

function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const ok = major > leastNode.major || (major === leastNode.major && minor >= leastNode.minor);
  const remedy = `install Node ${leastNode.major}.${leastNode.minor} or newer`;
  return { name: 'node', ok, detail: version, ...(ok ? {} : { remedy }) };
}

/** Imports each module, because an installed one may still fail to load. */
const importProbe = `
import importlib, json, platform
found = {"python": platform.python_version()}
for name in ("torch", "numpy", "sklearn"):
    try:
        found[name] = importlib.import_module(name).__version__
    except Exception as error:
        found[name] = {"error": f"{type(error).__name__}: {error}"}
found["cuda"], found["gpus"], found["fault"] = None, [], None
try:
    import time, torch
    found["cuda"] = torch.version.cuda
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            a = torch.ones(4096, 4096, device=f"cuda:{index}", dtype=torch.bfloat16)
            a @ a
            torch.cuda.synchronize(index)
            best, start = 0.0, time.perf_counter()
            while time.perf_counter() - start < 0.3:
                begin = time.perf_counter()
                for _ in range(8):
                    a @ a
                torch.cuda.synchronize(index)
                best = max(best, 8 * 2 * 4096**3 / (time.perf_counter() - begin))
            found["gpus"].append({"name": card.name, "capability": f"{card.major}.{card.minor}",
                                  "memoryBytes": card.total_memory, "flops": best})
except Exception as error:
    found["fault"] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(found))`;
const moduleSchema = z.union([z.string(), z.object({ error: z.string() })]);
const importSchema = z.object({
  python: z.string(),
  torch: moduleSchema,
  numpy: moduleSchema,
  sklearn: moduleSchema,
  /** Version of CUDA that torch was built for. */
  cuda: z.string().nullable(),
  /** Devices that torch can use; `flops`: measured FLOP/s of a bfloat16 product. */
  gpus: z.array(z.object({ name: z.string(), capability: z.string(), memoryBytes: z.number(), flops: z.number() })),
  /** Why torch could not use a device that it shows. */
  fault: z.string().nullable(),
});
type Imports = z.infer<typeof importSchema>;

/**
 * What the driver lists, and what torch can do with it.
 *
 * @param listed lines of the driver. @param found what torch said.
 */
function gpuChecks(
  listed: readonly string[],
  found: Pick<Imports, 'cuda' | 'gpus' | 'fault'>,
  driver: string | null,
  visible: string | undefined,
): Check[] {
  if (listed.length === 0) return [{ name: 'gpu', ok: true, detail: 'none visible; trainings use the CPU' }];
  const build = found.cuda === null ? 'torch is built without CUDA' : `torch is built for CUDA ${found.cuda}`;
  const limited = visible === undefined ? '' : `; CUDA_VISIBLE_DEVICES=${visible}`;
  const summary = `${listed.join('; ')}; driver ${driver ?? 'unknown'}; ${build}${limited}`;
  if (found.gpus.length === 0) {
    const why = found.fault === null ? '' : ` (${found.fault})`;
    const remedy =
      found.cuda === null
        ? `${setupRemedy} with --python venv, which installs a torch with CUDA`
        : 'update the driver (CUDA 13 needs 580 or newer, CUDA 12 needs 525), or correct CUDA_VISIBLE_DEVICES';
    return [
      { name: 'gpu', ok: false, detail: `${summary}; torch can use none${why}, so trainings use the CPU`, remedy },
    ];
  }
  const cards = found.gpus.map(
    ({ name, capability, memoryBytes, flops }, index): Check => ({
      name: `cuda:${index}`,
      ok: true,
      detail:
        `${name}, compute capability ${capability}, ${(memoryBytes / 1024 ** 3).toFixed(0)} GB, ` +
        `${(flops / 1e12).toFixed(0)} TFLOP/s measured in bfloat16`,
    }),
  );
  return [{ name: 'gpu', ok: true, detail: `${summary}; torch can use ${found.gpus.length}` }, ...cards];
}

async function checkPython(python: string, env: Environment): Promise<Check[]> {
  const { ok, stdout, stderr } = await runProgram(python, ['-c', importProbe], env, 120_000);
  if (!ok) return [failed('python', new Error(`${python}: ${firstLine(stderr)}`), setupRemedy)];
  const found = importSchema.parse(JSON.parse(stdout));
  const modules = (['torch', 'numpy', 'sklearn'] as const).map((name): Check => {
    const version = found[name];
    return typeof version === 'string'
      ? { name, ok: true, detail: version }
      : { name, ok: false, detail: version.error, remedy: setupRemedy };
  });
  const listed = await listedGpus(env);
  const driver = listed.length > 0 ? await driverVersion(env) : null;
  const gpus = gpuChecks(listed, found, driver, env.CUDA_VISIBLE_DEVICES);
  return [{ name: 'python', ok: true, detail: `${found.python} (${python})` }, ...modules, ...gpus];
}

/** Runs the probe program in the sandbox, which tries to escape. */
async function checkSandbox(python: string, env: Environment): Promise<Check> {
  try {
    return { name: 'sandbox', ok: true, detail: describeSandbox(await probeSandbox({ python, env })) };
  } catch (thrown) {
    return failed('sandbox', thrown, 'install bubblewrap');
  }
}

/** Starts a real trainer, which measures its matrix product in the training environment. */
async function checkTrainer(python: string, env: Environment): Promise<Check[]> {
  const worker = new NativeWorker({
    command: workerCommand({ python, device: 'cpu', env }),
    memoryLimitBytes: Number.POSITIVE_INFINITY,
  });
  try {
    const { evaluator, deviceName, calibratedFlops } = await worker.start();
    const slow = calibratedFlops < slowBlasFlops;
    const speed = `${gigaflops(calibratedFlops)} on one core`;
    return [
      { name: 'trainer', ok: true, detail: `${evaluator} on ${deviceName}` },
      slow
        ? {
            name: 'blas',
            ok: false,
            detail: `${speed}: probably the reference BLAS, with which training takes about ten times as long`,
            remedy: `${setupRemedy}, or install OpenBLAS (on Debian: apt install libopenblas0-pthread)`,
          }
        : { name: 'blas', ok: true, detail: speed },
    ];
  } catch (thrown) {
    return [failed('trainer', thrown, setupRemedy)];
  } finally {
    await worker.stop();
  }
}

async function checkNatsServer(places: ToolchainPaths): Promise<Check> {
  try {
    const program = findNatsServer(places);
    const { ok, stdout, stderr } = await runProgram(program, ['--version'], places.env, 20_000);
    if (!ok) throw new Error(`${program}: ${firstLine(stderr)}`);
    return { name: 'nats-server', ok: true, detail: `${firstLine(stdout)} (${program})` };
  } catch (thrown) {
    return failed('nats-server', thrown, setupRemedy);
  }
}

async function checkCompiler(env: Environment): Promise<Check> {
  const remedy = 'install one (on Debian: apt install g++)';
  const [compiler] = ['c++', 'g++', 'clang++'].flatMap((name) => allOnPath(name, env));
  if (compiler === undefined) return failed('c++ compiler', new Error('none on PATH'), remedy);
  const { ok, stdout, stderr } = await runProgram(compiler, ['--version'], env, 20_000);
  if (!ok) return failed('c++ compiler', new Error(`${compiler}: ${firstLine(stderr)}`), remedy);
  return { name: 'c++ compiler', ok: true, detail: firstLine(stdout) };
}

/** Writes to the home as a search would, and removes what it wrote. */
function checkHome(home: string): Check[] {
  try {
    makeFolder(home, 0o700);
    rmdirSync(mkdtempSync(join(home, '.doctor-')));
    const free = freeBytes(home);
    const enough = free >= leastFreeBytes;
    return [
      { name: 'home', ok: true, detail: `${home} is writable` },
      {
        name: 'disk',
        ok: enough,
        detail: `${megabytes(free)} free in ${home}`,
        ...(enough ? {} : { remedy: `free at least ${megabytes(leastFreeBytes)}, or choose another --home` }),
      },
    ];
  } catch (thrown) {
    return [failed('home', thrown, 'choose another --home')];
  }
}

/** Checks everything that a search needs on this machine. Never throws: a problem is a failed check. */
export async function examineMachine(options: ExamineOptions): Promise<Check[]> {
  const { home, places = machinePaths(), nodeVersion = process.versions.node, trainsOnly = false } = options;
  const { env } = places;
  const checks = [checkNode(nodeVersion)];
  try {
    const python = await findPython(places);
    checks.push(...(await checkPython(python, env)), ...(await checkTrainer(python, env)));
    checks.push(await checkSandbox(python, env));
  } catch (thrown) {
    checks.push(failed('python', thrown, setupRemedy));
  }
  if (!trainsOnly) checks.push(await checkNatsServer(places), await checkCompiler(env), ...checkHome(home));
  return checks;
}
