import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parseUnit } from "../../src/plan/unit-file.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { run } from "../bed/run.ts";
import { scratchDirectory } from "../bed/scratch.ts";
import { openTag } from "../bed/tag.ts";

const shelf = openShelf();
const bed = openTag();
const tls = "--tls-verify=false";
let web: TestImage;

beforeAll(async () => {
  web = await shelf.build({
    layers: [{ "bin/web": { kind: "file", content: "#!/bin/sh\n", mode: 0o755 }, etc: { kind: "directory" } }],
    config: { entrypoint: ["/bin/web"], environment: ["PORT=80"], volumes: ["/data"] },
  });
  await bed.publish(web);
});

interface Exported {
  readonly text: string;
  readonly lost: readonly string[];
  readonly output: string | null;
}

async function installed(): Promise<Host> {
  const host = await makeHost();
  await host.answer("install", tls, "--name", "web", bed.tag);
  return host;
}

const quadlet = (image: string): string => `[Unit]
Description=A web server
After=network-online.target
[Container]
Image=${image}
Environment=PORT=8080
Volume=/srv/web:/data:ro
AddCapability=NET_ADMIN
PublishPort=80:80
Network=host
ReadOnly=true
[Service]
RestartSec=5
[Install]
WantedBy=default.target
`;

describe("export", () => {
  it("names the very image, and prints or writes a .container file", async () => {
    const host = await installed();
    const { digest } = await host.answer("info", "web");
    const { text, lost, output } = await host.answer<Exported>("export", "web", "--as", "quadlet");
    const lines = parseUnit(text, "web.container").map(({ key, value }) => `${key}=${value}`);
    expect(lines).toEqual(
      expect.arrayContaining([
        `Image=${bed.tag.replace(/:latest$/, "")}@${digest}`,
        "PodmanArgs=--entrypoint=/bin/web",
        "Environment=PORT=80",
        "Volume=/var/lib/web/data:/data:rw",
        "WantedBy=multi-user.target",
      ]),
    );
    expect(text).not.toContain("keelson");
    expect(text).not.toContain("runc");
    expect(lost).toHaveLength(1);
    expect(output).toBe(null);

    const file = `${scratchDirectory()}/web.container`;
    const ran = await host.keelson("export", "web", "--as", "quadlet", "-o", file);
    expect([ran.status, ran.stdout]).toEqual([0, `wrote ${file}\n`]);
    expect(ran.stderr).toContain("cannot be expressed: its lines for systemd-tmpfiles");
    expect(await host.refused(4, "export", "web", "--as", "quadlet", "-o", file)).toMatchObject({
      code: "E_FILE_EXISTS",
    });
  });

  it("writes the tree of a portable service, and leaves that of the container alone", async () => {
    const host = await installed();
    const before = await host.snapshot();
    const directory = `${scratchDirectory()}/web`;
    await host.answer("export", "web", "--as", "portable", "-o", directory);
    const tree = (path: string): string => `${directory}${path}`;
    const places = ["/bin/web", "/usr/lib/os-release", "/etc/machine-id", "/etc/resolv.conf", "/proc", "/data", "/run"];
    expect(places.filter((path) => !existsSync(tree(path)))).toEqual([]);
    expect(readFileSync(tree("/usr/lib/systemd/system/web.service"), "utf8")).toContain("ExecStart=/bin/web\n");
    expect(await host.snapshot()).toEqual(before);
    expect(await host.refused(4, "export", "web", "--as", "portable", "-o", directory)).toMatchObject({
      code: "E_FILE_EXISTS",
    });
  });

  it("writes the bundle that keelson bundle writes", async () => {
    const host = await installed();
    const directory = scratchDirectory();
    await host.answer("export", "web", "--as", "bundle", "-o", `${directory}/one`, tls);
    await host.answer("bundle", "web", "-o", `${directory}/two`, tls);
    expect(readFileSync(`${directory}/one`)).toEqual(readFileSync(`${directory}/two`));
  });

  it.each([
    [2, "E_USAGE", ["web", "--as", "portable"]],
    [2, "E_USAGE", ["web", "--as", "bundle"]],
    [2, "E_USAGE", ["web"]],
    [3, "E_NOT_FOUND", ["other", "--as", "quadlet"]],
  ])("ends with %i, %s for %j", async (status, code, args) => {
    const host = await installed();
    expect(await host.refused(status, "export", ...args)).toMatchObject({ code });
  });
});

describe("import quadlet", () => {
  it("writes a stack file and a drop-in, from which apply installs the container", async () => {
    const host = await makeHost();
    const file = `${scratchDirectory()}/web.container`;
    writeFileSync(file, quadlet(bed.tag));
    const seen = await host.keelson("import", "quadlet", "--dry-run", file);
    expect(seen.status).toBe(10);
    expect(seen.stdout).toContain(`image = ${bed.tag}\n`);
    expect(host.has("/etc/keelson")).toBe(false);

    expect(await host.answer<Exported>("import", "quadlet", file)).toMatchObject({ lost: ["PublishPort=80:80"] });
    const dropIn = host.read("/etc/systemd/system/web.service.d/20-quadlet.conf");
    expect(dropIn).toContain("[Service]\nRestartSec=5\n");
    await host.answer("apply", tls, host.path("/etc/keelson/stack.d/web.conf"));
    const config = JSON.parse(host.read("/var/lib/keelson/deployments/web/current/config.json"));
    expect(config.process.env).toContain("PORT=8080");
    expect(config.process.capabilities.bounding).toContain("CAP_NET_ADMIN");
    expect(config.mounts).toContainEqual({
      destination: "/data",
      type: "bind",
      source: "/srv/web",
      options: ["rbind", "ro"],
    });
    expect(await host.answer("list")).toMatchObject([{ name: "web", enabled: true }]);
    expect(await host.refused(4, "import", "quadlet", file)).toMatchObject({ code: "E_FILE_EXISTS" });
  });

  it("leaves nothing of the two files, nor of their directories, where the second cannot be written", async () => {
    const host = await makeHost();
    const file = `${scratchDirectory()}/web.container`;
    writeFileSync(file, quadlet(bed.tag));
    // Room for the two directories of the stack file, and not for the file.
    const full = host.path("/etc/keelson");
    mkdirSync(full);
    await run("mount", "-t", "tmpfs", "-o", "nr_inodes=2,mode=755", "tmpfs", full);
    onTestFinished(async () => void (await run("umount", full)));
    const before = await host.snapshot();
    const ran = await host.keelson("import", "quadlet", file);
    expect([ran.status, ran.stderr]).toEqual([1, expect.stringContaining("(E_NO_SPACE)")]);
    expect(await host.snapshot()).toEqual(before);
  });

  it("refuses what is no .container file", async () => {
    const host = await makeHost();
    const file = `${scratchDirectory()}/web.container`;
    expect(await host.refused(3, "import", "quadlet", file)).toMatchObject({ code: "E_NOT_FOUND" });
    writeFileSync(file, "[Container]\n");
    expect(await host.refused(1, "import", "quadlet", file)).toMatchObject({ code: "E_QUADLET" });
  });
});
