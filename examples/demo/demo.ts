import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { buildExamples, type ExampleName } from "../build.ts";
import { endChildren } from "./children.ts";
import { type DiskChanges, differingPaths, readDiskChanges } from "./disk-changes.ts";
import { type Machine, openMachine } from "./machine.ts";
import { registryHost, serveImages } from "./registry.ts";
import { formatTimes, readTimes } from "./times.ts";

const chain = ["etcd", "flanneld", "containerd"] as const;
const repository = resolve(import.meta.dirname, "../..");
const keelsonPath = join(repository, "dist", "keelson");
const state = { etcd: "/var/lib/etcd", containerd: "/var/lib/containerd" };
/** What the three put on a host: if this one has it from elsewhere, the machine shall not. */
const taken = [
  ...["/etc/containerd", "/etc/etcd", "/etc/keelson", "/usr/local/bin/containerd-ctr", "/usr/local/bin/etcdctl"],
  ...[state.etcd, state.containerd, "/var/lib/keelson"],
];

/** The machine of this demonstration, and what is done to it on the screen. */
interface Stage {
  readonly machine: Machine;
  /** Runs a program in the machine as a person would, shows it, and gives what it printed; it has to succeed. */
  show(...argv: readonly string[]): Promise<string>;
}

async function main(): Promise<void> {
  promise(process.getuid?.() === 0, undefined, "it boots a machine and mounts its disk: run it as root");
  promise(existsSync(keelsonPath), undefined, "there is no dist/keelson: npm run build makes it");
  const work = mkdtempSync(join(tmpdir(), "keelson-demo-"));
  // Whatever is made on the way for a while is made in there, and so goes with it, however this ends.
  process.env.TMPDIR = join(work, "tmp");
  mkdirSync(process.env.TMPDIR);
  process.once("exit", () => rmSync(work, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      endChildren();
      process.stderr.write("\ninterrupted; everything is cleaned up\n");
      process.exit(130);
    });
  }
  const begun = Date.now();
  const layouts = await build(join(work, "images"));
  heading("A throw-away machine: this one's root under a new layer, a systemd of its own, nothing on its network");
  const machine = openMachine({ shared: [repository, join(work, "images")], privateNetwork: true, without: taken });
  try {
    await machine.start();
    await demonstrate(openStage(machine), layouts);
  } finally {
    await machine.stop();
  }
  print(`\nAll as promised, in ${Math.round((Date.now() - begun) / 1000)} seconds.`);
}

type Layouts = Readonly<Record<string, string>>;

async function build(output: string): Promise<Layouts> {
  heading("The images: built from examples/ with buildah, out of Debian's packages");
  const names: readonly ExampleName[] = chain;
  const images = await buildExamples({ output, names, report: (line) => print(`  ${line}`) });
  for (const { name, digest } of images) print(`  ${name.padEnd(11)}${digest}`);
  return Object.fromEntries(images.map(({ name, reference }) => [name, reference]));
}

async function demonstrate(stage: Stage, layouts: Layouts): Promise<void> {
  const { machine } = stage;
  await serveImages(machine, layouts);
  print(`  systemd ${(await machine.ok(["systemctl", "is-system-running"])).trim()}, a registry on ${registryHost}`);
  const before = readDiskChanges(machine);
  await install(stage);
  await startInTurn(stage);
  await reboot(stage);
  await removeAll(stage, before);
  await purge(stage, layouts, before);
}

async function install(stage: Stage): Promise<void> {
  heading("Install the three from the registry, each after what it requires");
  for (const name of chain) await installOne(stage, name);
  const list = await stage.show("keelson", "list");
  promise(list.match(/ inactive +yes /g)?.length === chain.length, "installed and enabled, and nothing was started");
}

const installOne = (stage: Stage, name: string): Promise<string> =>
  stage.show("keelson", "install", "--system", "--tls-verify=false", `${registryHost}/${name}`);

async function startInTurn(stage: Stage): Promise<void> {
  heading("Start etcd, and give flannel its network");
  await stage.show("systemctl", "start", "etcd");
  const status = await stage.show("systemctl", "status", "--no-pager", "--lines=0", "etcd");
  promise(
    /etcd\.service\n\s+└─container\n\s+└─\d+ \/usr\/bin\/etcd/.test(status),
    "etcd runs in its service's own cgroup",
  );
  await expectHealth(stage);
  await stage.show("etcdctl", "put", "/coreos.com/network/config", '{"Network":"10.42.0.0/16"}');
  heading("Start the others");
  await stage.show("systemctl", "start", "flanneld", "containerd");
  await expectNetwork(stage);
}

async function expectHealth(stage: Stage): Promise<void> {
  promise((await stage.show("etcdctl", "endpoint", "health")).includes("is healthy"), "etcd is healthy");
}

async function expectNetwork(stage: Stage): Promise<void> {
  const subnet = await stage.show("cat", "/run/flannel/subnet.env");
  promise(/^FLANNEL_SUBNET=10\.42\.\d+\.1\/24$/m.test(subnet), "flanneld has a subnet");
  promise((await stage.show("containerd-ctr", "version")).includes("Server:"), "containerd answers");
}

async function reboot(stage: Stage): Promise<void> {
  heading("Reboot");
  await stage.machine.reboot();
  const list = await stage.show("keelson", "list");
  promise(list.match(/ active +yes /g)?.length === chain.length, "all three came up by themselves");
  const times = await Promise.all(chain.map((name) => readTimes(stage.machine, name)));
  for (const line of formatTimes(times)) print(`  ${line}`);
  const inOrder = times.every((time, index) => time.begun > (times[index - 1]?.ready ?? 0));
  promise(inOrder, "each was started when the one before it was ready");
  await expectHealth(stage);
  await expectNetwork(stage);
}

async function removeAll(stage: Stage, before: DiskChanges): Promise<void> {
  heading("Uninstall; containerd with what it stored");
  await stage.show("keelson", "uninstall", "--purge", "containerd");
  await stage.show("keelson", "uninstall", "flanneld");
  await stage.show("keelson", "uninstall", "etcd");
  const left = differingPaths(before, readDiskChanges(stage.machine));
  const kept = left.filter((path) => path === state.etcd || path.startsWith(`${state.etcd}/`));
  print(`  compared by name, mode, owner and content: ${left.length} paths differ from before the first install`);
  for (const path of left) print(`    ${path}`);
  promise(
    kept.length > 0 && kept.length === left.length,
    `what is left is etcd's data, kept because nobody said --purge`,
  );
}

async function purge(stage: Stage, layouts: Layouts, before: DiskChanges): Promise<void> {
  heading("The same with --purge");
  await serveImages(stage.machine, { etcd: layouts.etcd ?? "" });
  await installOne(stage, "etcd");
  await stage.show("keelson", "uninstall", "--purge", "etcd");
  const left = differingPaths(before, readDiskChanges(stage.machine));
  for (const path of left) print(`    ${path}`);
  promise(left.length === 0, "the disk is as it was before the first install");
}

function openStage(machine: Machine): Stage {
  return {
    machine,
    async show(program, ...args) {
      print(`\n  $ ${[program, ...args.map(quote)].join(" ")}`);
      const path = program === "keelson" ? keelsonPath : program;
      const { stdout, stderr, status } = await machine.run(["env", "ETCDCTL_API=3", path ?? "", ...args]);
      for (const line of `${stderr}${stdout}`.split("\n").filter((text) => text !== "")) print(`  ${line}`);
      promise(status === 0, undefined, `${program} ended with status ${status}`);
      // etcdctl says on standard error that an endpoint is healthy.
      return stdout + stderr;
    },
  };
}

const quote = (word: string): string => (/^[\w./:=@-]+$/.test(word) ? word : `'${word}'`);

function heading(text: string): void {
  print(`\n${text}`);
}

/** Says what was promised and is so, or ends the demonstration. */
function promise(kept: boolean, text: string | undefined, otherwise = `not so: ${text}`): void {
  if (!kept) throw new Error(otherwise);
  if (text !== undefined) print(`  ✓ ${text}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`\nThe demonstration failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
