import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BuiltExample, ExampleName } from "../../examples/build.ts";
import { builtExamples } from "../bed/examples.ts";
import { type Bundle, openBundle, type Running, run, startBundle } from "./bundle.ts";

const home = await mkdtemp(join(tmpdir(), "keelson-examples-run-"));
const namespace = `keelson-test-inner-${process.pid}`;
const running: Running[] = [];
let images: Readonly<Record<ExampleName, BuiltExample>>;
let [clients, peers, web] = ["", "", ""];

beforeAll(async () => {
  images = await builtExamples();
  [clients = "", peers = "", web = ""] = await freePorts(3);
});
afterAll(async () => {
  for (const container of running) await container.stop();
  await rm(home, { recursive: true, force: true });
  // containerd was the one to remove the control groups of the container that died with it.
  await run("find", ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", `*/${namespace}*`, "-delete"]);
});

async function start(bundle: Bundle): Promise<Running> {
  for (const [path, target] of bundle.hostPaths) {
    const from = join(bundle.rootfs, "exports/hostfs", path);
    if (target.startsWith(bundle.host)) await cp(from, target, { recursive: true });
  }
  const container = await startBundle(bundle);
  running.push(container);
  return container;
}

describe("etcd and flanneld", () => {
  const etcdctl = async (...argv: readonly string[]): Promise<string> =>
    (
      await run("etcdctl", ["--endpoints", `http://127.0.0.1:${clients}`, ...argv], {
        env: { ...process.env, ETCDCTL_API: "3" },
      })
    ).stdout;
  let etcd: Running;
  let flanneld: Running;
  let subnetFile: string;

  it("etcd is healthy the moment it says that it is ready", async () => {
    const bundle = await openBundle(images.etcd, home, {
      ETCD_LISTEN_CLIENT_URLS: `http://127.0.0.1:${clients}`,
      ETCD_ADVERTISE_CLIENT_URLS: `http://127.0.0.1:${clients}`,
      ETCD_LISTEN_PEER_URLS: `http://127.0.0.1:${peers}`,
      ETCD_INITIAL_ADVERTISE_PEER_URLS: `http://127.0.0.1:${peers}`,
      ETCD_INITIAL_CLUSTER: `default=http://127.0.0.1:${peers}`,
    });
    etcd = await start(bundle);
    await etcd.waitFor("notify: READY=1");
    const inside = ["/usr/bin/etcdctl", "--endpoints", `http://127.0.0.1:${clients}`, "endpoint", "health"];
    expect(await etcd.exec([...inside, "--write-out", "json"])).toContain('"health":true');
  });

  it("flanneld waits for its network's configuration before it is ready", async () => {
    const bundle = await openBundle(images.flanneld, home, {
      FLANNELD_ETCD_ENDPOINTS: `http://127.0.0.1:${clients}`,
      FLANNELD_PUBLIC_IP: "192.0.2.7",
    });
    subnetFile = join(bundle.host, "run/flannel/subnet.env");
    flanneld = await start(bundle);
    await flanneld.waitFor("etcd has no /coreos.com/network/config yet");
    await expect(readFile(subnetFile)).rejects.toMatchObject({ code: "ENOENT" });
    await etcdctl("put", "/coreos.com/network/config", '{"Network":"10.42.0.0/16","Backend":{"Type":"vxlan"}}');
    await flanneld.waitFor("notify: READY=1");
  });

  it("flanneld has taken a subnet of that network, for the host and in etcd", async () => {
    expect(await readFile(subnetFile, "utf8")).toBe(
      "FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n",
    );
    const entry = await etcdctl("get", "--prefix", "/coreos.com/network/subnets/");
    expect(entry).toBe('/coreos.com/network/subnets/10.42.1.0-24\n{"PublicIP":"192.0.2.7","BackendType":"stand-in"}\n');
  });

  it("flanneld returns its lease when it is stopped, and stops at once", async () => {
    expect(await flanneld.stop()).toBeLessThan(5000);
    await flanneld.waitFor("lease returned");
    expect(await etcdctl("get", "--prefix", "/coreos.com/network/subnets/")).toBe("");
  });

  it("flanneld takes the subnet it had before, though lower ones are free", async () => {
    const [env, network] = ["/coreos.com/network/subnets/10.42.1.0-24", "FLANNEL_SUBNET=10.42.9.1/24"];
    await etcdctl("put", env, '{"PublicIP":"192.0.2.8"}');
    const bundle = { name: "flanneld", directory: join(home, "flanneld") };
    await writeFile(subnetFile, `${network}\n`);
    const again = await startBundle(bundle);
    running.push(again);
    await again.waitFor("notify: READY=1");
    expect(await readFile(subnetFile, "utf8")).toContain(network);
    await again.stop();
  });

  it("etcd keeps its state on the host and stops at once", async () => {
    expect(await etcd.stop()).toBeLessThan(5000);
    expect((await run("ls", [join(home, "host/var/lib/etcd/etcd.etcd/member")])).stdout).toBe("snap\nwal\n");
  });
});

describe("containerd", () => {
  it("runs a container of its own, and stopping it leaves nothing of that behind", async () => {
    const bundle = await openBundle(images.containerd, home);
    const containerd = await start(bundle);
    await containerd.waitFor("notify: READY=1");
    expect(await containerd.exec(["ctr", "version"])).toMatch(/Server:\s+Version:\s+1\.6/);
    expect(await containerd.exec(["ctr", "plugin", "ls"])).toMatch(/^io\.containerd\.grpc\.v1\s+cri\s.*\sok\s*$/m);
    const archive = join(home, "host/var/lib/containerd/hello.tar");
    await run("skopeo", ["copy", images["hello-world"].reference, `oci-archive:${archive}:docker.io/library/hello:1`]);
    await containerd.exec(["ctr", "--namespace", namespace, "image", "import", "/var/lib/containerd/hello.tar"]);
    const inner = ["ctr", "--namespace", namespace, "run", "--net-host", "--snapshotter", "native"];
    const echo = ["--rm", "docker.io/library/hello:1", "one", "/bin/busybox", "echo", "from inside"];
    expect(await containerd.exec([...inner, ...echo])).toBe("from inside\n");
    const mark = `86400.${process.pid}`;
    await containerd.exec([...inner, "-d", "docker.io/library/hello:1", "two", "/bin/busybox", "sleep", mark]);
    expect((await run("pgrep", ["-f", `sleep ${mark}`])).stdout).toMatch(/^\d+$/m);
    expect(await containerd.stop()).toBeLessThan(5000);
    await expect(run("pgrep", ["-f", `sleep ${mark}`])).rejects.toMatchObject({ code: 1 });
  });
});

describe("hello-world", () => {
  it("3: greets the RECEIVER it was given, on its PORT, whatever characters are in it", async () => {
    const bundle = await openBundle(images["hello-world"], home, { PORT: web, RECEIVER: 'the "crew" of $NAME' });
    const hello = await start(bundle);
    expect(await fetchText(`http://127.0.0.1:${web}/`)).toBe('Hello the "crew" of $NAME\n');
    expect(await hello.stop()).toBeLessThan(5000);
  });
});

/** Asks until somebody listens; the web server has no way to say that it is ready. */
async function fetchText(url: string): Promise<string> {
  const { stdout } = await run("curl", [
    "--silent",
    "--fail",
    "--retry",
    "50",
    "--retry-delay",
    "1",
    "--retry-connrefused",
    url,
  ]);
  return stdout;
}

async function freePorts(count: number): Promise<readonly string[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = servers.map(
    (server) =>
      new Promise<string>((resolve) => {
        server.listen(0, "127.0.0.1", () => resolve(String((server.address() as { port: number }).port)));
      }),
  );
  const found = await Promise.all(ports);
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return found;
}
