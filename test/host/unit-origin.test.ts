import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findUnit } from "../../src/host/unit-origin.ts";
import { hostPlaces, userPlaces } from "../../src/plan/places.ts";
import { kim } from "../bed/user.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "keelson-origin-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const unitText = "[Service]\nExecStart=/bin/true\n";

function put(path: string, text = unitText): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function link(path: string, target: string): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  symlinkSync(target, join(root, path));
}

describe("findUnit", () => {
  it("finds nothing in a root without systemd", async () => {
    expect(findUnit(root, "sshd.service", hostPlaces)).toBeUndefined();
  });

  it.each([
    "/etc/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
  ])("7: finds a unit file in %s", async (directory) => {
    put(`${directory}/sshd.service`);
    expect(findUnit(root, "sshd.service", hostPlaces)).toEqual({ kind: "unit", path: `${directory}/sshd.service` });
    expect(findUnit(root, "ssh.service", hostPlaces)).toBeUndefined();
  });

  it("78: finds the units of a user where the manager of that user does, and no others", async () => {
    const places = userPlaces(kim);
    for (const path of ["/etc/systemd/system", "/etc/init.d", "/home/lee/.config/systemd/user"])
      put(`${path}/x.service`);
    expect(findUnit(root, "x.service", places)).toBeUndefined();
    for (const directory of ["/usr/lib/systemd/user", "/etc/systemd/user", "/home/kim/.config/systemd/user"]) {
      put(`${directory}/x.service`);
      expect(findUnit(root, "x.service", places)).toEqual({ kind: "unit", path: `${directory}/x.service` });
    }
  });

  it("gives the path that systemd prefers", async () => {
    put("/usr/lib/systemd/system/sshd.service");
    put("/etc/systemd/system/sshd.service");
    expect(findUnit(root, "sshd.service", hostPlaces)?.path).toBe("/etc/systemd/system/sshd.service");
  });

  it("finds a link, dangling or not", async () => {
    link("/etc/systemd/system/sshd.service", "/lib/systemd/system/ssh.service");
    const path = "/etc/systemd/system/sshd.service";
    expect(findUnit(root, "sshd.service", hostPlaces)).toEqual({
      kind: "link",
      path,
      target: "/lib/systemd/system/ssh.service",
    });
  });

  it("knows a mask by its target, and by its emptiness", async () => {
    link("/etc/systemd/system/a.service", "/dev/null");
    put("/etc/systemd/system/b.service", "");
    expect(findUnit(root, "a.service", hostPlaces)?.kind).toBe("masked");
    expect(findUnit(root, "b.service", hostPlaces)?.kind).toBe("masked");
  });

  it.each([
    "Alias=sshd.service",
    "Alias=other.service sshd.service",
    "Alias = \\\n# between\n 'sshd.service'",
    "Alias=dbus-org.freedesktop.x.service\nAlias=sshd.service",
  ])("finds the unit that claims the name with %j", async (setting) => {
    put("/usr/lib/systemd/system/ssh.service", `${unitText}[Install]\n${setting}\n`);
    expect(findUnit(root, "sshd.service", hostPlaces)).toEqual({
      kind: "alias",
      path: "/usr/lib/systemd/system/ssh.service",
    });
  });

  it("is not misled by units that only mention the name", async () => {
    put(
      "/usr/lib/systemd/system/x.service",
      `[Unit]\nAfter=sshd.service\n${unitText}[Install]\n#Alias=sshd.service\nAlias=y-sshd.service\n`,
    );
    expect(findUnit(root, "sshd.service", hostPlaces)).toBeUndefined();
  });

  it("finds an init script, of which systemd makes a unit", async () => {
    put("/etc/init.d/etcd", "#!/bin/sh\n");
    expect(findUnit(root, "etcd.service", hostPlaces)).toEqual({ kind: "init-script", path: "/etc/init.d/etcd" });
  });

  it("names a drop-in directory only where there is no unit", async () => {
    put("/etc/systemd/system/etcd.service.d/limits.conf", "[Service]\nMemoryMax=1G\n");
    expect(findUnit(root, "etcd.service", hostPlaces)).toEqual({
      kind: "drop-in",
      path: "/etc/systemd/system/etcd.service.d",
    });
    put("/usr/lib/systemd/system/etcd.service");
    expect(findUnit(root, "etcd.service", hostPlaces)?.kind).toBe("unit");
  });

  it("does not follow /lib out of the root", async () => {
    link("/lib", "/usr/lib");
    expect(findUnit(root, "systemd-journald.service", hostPlaces)).toBeUndefined();
  });
});
