import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { fstabUnit, isRemoteMount, mountUnitsOf } from "../../src/plan/mounts.ts";

describe("the units that may mount a path", () => {
  it.each(["/var", "/srv/data-1/a b", "/.hidden/x", "/ä/@x", "/a//b/"])(
    "of %s are called as systemd calls them",
    (path) => {
      const parts = path.split("/").filter(Boolean);
      const paths = parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
      const names = execFileSync("systemd-escape", ["--path", "--suffix=mount", "--", ...paths], { encoding: "utf8" });
      expect(mountUnitsOf(path)).toEqual(names.trimEnd().split(/\s/));
    },
  );
});

describe("fstab", () => {
  const fstab = [
    "# /dev/vdb /var ext4",
    "/dev/vda / ext4 defaults 0 1",
    "/dev/vdb /var ext4 defaults,nofail 0 2",
    "box:/x  /srv/a\\040b nfs4 ro",
    "/dev/sdz1 /mnt/iscsi ext4 _netdev",
    "none swap swap",
  ].join("\n");

  it.each([
    ["var.mount", false],
    ["srv-a\\x20b.mount", true],
    ["mnt-iscsi.mount", true],
  ])("has %s; over the network: %s", (unit, remote) => {
    const text = fstabUnit(fstab, unit);
    expect(text).toMatch(/^\[Mount\]\n/);
    expect(isRemoteMount(text ?? "")).toBe(remote);
  });

  it("does not have what it does not mount", () => {
    expect(["srv.mount", "swap.mount"].map((unit) => fstabUnit(fstab, unit))).toEqual([undefined, undefined]);
  });
});
