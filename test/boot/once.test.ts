import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { differingPaths, readDiskChanges } from "../../examples/demo/disk-changes.ts";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host, inRegistry } from "./host.ts";
import { base } from "./payloads.ts";

let image: TestImage;
let host: Host;

beforeAll(async () => {
  const config = {
    ociVersion: "1.0.2",
    process: { args: ["/bin/busybox", "sh", "/run.sh"], env: ["PATH=/bin", "WORD=$WORD"], cwd: "/" },
    root: { path: "rootfs" },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
  };
  image = await buildImage({
    layers: [
      {
        ...base('echo "said $WORD"; echo own >/own && busybox cat /own; exit 7'),
        "exports/config.json.template": JSON.stringify(config),
        "exports/manifest.json": JSON.stringify({ defaultValues: { WORD: "nothing" } }),
        "exports/hostfs/etc/never-here": "no",
      },
    ],
    config: { labels: { "atomic.run": "once" } },
  });
  host = await bootHost({ job: image });
});
afterAll(async () => {
  await host?.machine.stop();
  await image?.remove();
});

describe("22: an image that is labelled atomic.run=once", () => {
  it("is run by install, on a root it may write to, gives its own exit status, and leaves nothing", async () => {
    const before = readDiskChanges(host.machine);
    const { status, stdout, stderr } = await host.keelson(
      "install",
      "--system",
      "--tls-verify=false",
      "--set",
      "WORD=a word",
      inRegistry("job"),
    );
    expect(stdout, stderr).toBe("said a word\nown\n");
    expect(status).toBe(7);
    expect(differingPaths(before, readDiskChanges(host.machine))).toEqual([]);
  });

  it("is not run by a dry run", async () => {
    const { status, stdout } = await host.keelson("install", "--dry-run", "--tls-verify=false", inRegistry("job"));
    expect([status, stdout]).toEqual([10, "run job once\n"]);
  });
});
