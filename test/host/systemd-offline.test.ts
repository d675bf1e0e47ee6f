import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSystemd, type Systemd } from "../../src/host/systemd.ts";
import { hostPlaces } from "../../src/plan/places.ts";

let root: string;
let systemd: Systemd;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "keelson-offline-"));
  systemd = openSystemd(root, hostPlaces);
});
afterEach(() => rmSync(root, { recursive: true }));

const units = "/etc/systemd/system";
const service = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n";

function put(path: string, text: string): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function install(unit: string, text: string): void {
  put(`${units}/${unit}`, `${service}[Install]\n${text}\n`);
}

/** Everything below the unit directory: links with their targets, directories, files. */
function tree(): readonly string[] {
  return readdirSync(join(root, units), { recursive: true, encoding: "utf8" })
    .map((name) => {
      const entry = lstatSync(join(root, units, name));
      return entry.isSymbolicLink() ? `${name} -> ${readlinkSync(join(root, units, name))}` : name;
    })
    .sort();
}

describe("an offline systemd", () => {
  it("does not run", () => {
    expect(systemd.running).toBe(false);
  });

  it.each([
    "WantedBy=multi-user.target",
    "WantedBy=multi-user.target graphical.target\nRequiredBy=docker.service",
    'WantedBy="multi-user.target" sysinit.target',
    "Alias=kv.service store.service\nWantedBy=multi-user.target",
    "WantedBy=a.target\nWantedBy=\nWantedBy=b.target",
    "WantedBy=multi-user.target\nAlso=other.service missing.service",
    "WantedBy=%p-x.target",
    "Also=etcd.service",
  ])("enables and disables %j exactly as systemctl --root does", async (text) => {
    const make = (): void => {
      install("etcd.service", text);
      put("/usr/lib/systemd/system/other.service", `${service}[Install]\nWantedBy=other.target\nAlias=o.service\n`);
    };
    const systemctl = (verb: string): void => {
      execFileSync("systemctl", [`--root=${root}`, verb, "etcd.service"], {
        stdio: "ignore",
        env: { PATH: process.env.PATH },
      });
    };
    make();
    const installed = tree();
    systemctl("enable");
    const enabled = tree();
    systemctl("disable");
    const disabled = tree();

    rmSync(join(root, "etc"), { recursive: true });
    make();
    expect(tree()).toEqual(installed);
    const made = await systemd.enable("etcd.service");
    expect(tree()).toEqual(enabled);
    expect(made.map(({ path, target }) => `${path.slice(units.length + 1)} -> ${target}`).sort()).toEqual(
      enabled.filter((line) => line.includes(" -> ")),
    );
    expect([...(await systemd.disable("etcd.service"))].sort(byPath)).toEqual([...made].sort(byPath));
    expect(tree()).toEqual(disabled);
  });

  it("enabling twice finds the links of the first time", async () => {
    install("etcd.service", "WantedBy=multi-user.target\nAlias=kv.service");
    const first = await systemd.enable("etcd.service");
    const after = tree();
    expect(await systemd.enable("etcd.service")).toEqual(first);
    expect(tree()).toEqual(after);
  });

  it("replaces what an interrupted enable has left beside a link", async () => {
    install("etcd.service", "Alias=kv.service");
    symlinkSync("/nowhere", join(root, units, ".kv.service.keelson-new"));
    await systemd.enable("etcd.service");
    expect(tree()).toEqual(["etcd.service", "kv.service -> /etc/systemd/system/etcd.service"]);
  });

  it.each([
    ["a link to another unit", () => symlinkSync("/lib/systemd/system/redis.service", join(root, units, "kv.service"))],
    ["a file", () => writeFileSync(join(root, units, "kv.service"), service)],
  ])("does not replace %s, and then makes no link at all", async (_what, occupy) => {
    install("etcd.service", "Alias=aa.service kv.service\nWantedBy=multi-user.target");
    occupy();
    const before = tree();
    await expect(systemd.enable("etcd.service")).rejects.toMatchObject({ code: "E_FILE_EXISTS" });
    expect(tree()).toEqual(before);
  });

  it("cannot enable a unit that has no file", async () => {
    await expect(systemd.enable("etcd.service")).rejects.toMatchObject({ code: "E_SYSTEMD" });
  });

  it("disabling keeps a .wants directory that others use", async () => {
    install("etcd.service", "WantedBy=multi-user.target");
    install("other.service", "WantedBy=multi-user.target");
    await systemd.enable("etcd.service");
    await systemd.enable("other.service");
    await systemd.disable("etcd.service");
    expect(tree()).toContain("multi-user.target.wants/other.service -> /etc/systemd/system/other.service");
    expect(tree()).not.toContain("multi-user.target.wants/etcd.service -> /etc/systemd/system/etcd.service");
  });

  it("disabling a unit whose file is gone removes its links, and twice is no error", async () => {
    install("etcd.service", "WantedBy=multi-user.target\nAlias=kv.service");
    await systemd.enable("etcd.service");
    rmSync(join(root, units, "etcd.service"));
    expect(await systemd.disable("etcd.service")).toHaveLength(2);
    expect(tree()).toEqual([]);
    expect(await systemd.disable("etcd.service")).toEqual([]);
  });

  it("tells what is enabled, disabled, static, masked and not there", async () => {
    install("on.service", "WantedBy=multi-user.target");
    install("off.service", "WantedBy=multi-user.target");
    install("static.service", "");
    symlinkSync("/dev/null", join(root, units, "masked.service"));
    await systemd.enable("on.service");
    const states = await systemd.states([
      "on.service",
      "off.service",
      "static.service",
      "masked.service",
      "none.service",
    ]);
    expect(
      [...states].map(([unit, { loadState, unitFileState, activeState }]) => [
        unit,
        loadState,
        unitFileState,
        activeState,
      ]),
    ).toEqual([
      ["on.service", "loaded", "enabled", "inactive"],
      ["off.service", "loaded", "disabled", "inactive"],
      ["static.service", "loaded", "static", "inactive"],
      ["masked.service", "masked", "masked", "inactive"],
      ["none.service", "not-found", "", "inactive"],
    ]);
    expect(states.get("on.service")?.fragmentPath).toBe("/etc/systemd/system/on.service");
  });

  it("starts, stops and makes nothing", async () => {
    install("etcd.service", "WantedBy=multi-user.target");
    put("/etc/tmpfiles.d/keelson-etcd.conf", "d /var/lib/etcd 0700 0 0 -\n");
    const before = readdirSync(root, { recursive: true });
    await systemd.reload();
    await systemd.tmpfiles("create", "/etc/tmpfiles.d/keelson-etcd.conf");
    await systemd.start("etcd.service");
    await systemd.stop("etcd.service");
    await systemd.resetFailed("etcd.service");
    await systemd.close();
    expect(readdirSync(root, { recursive: true })).toEqual(before);
  });
});

function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : 1;
}
