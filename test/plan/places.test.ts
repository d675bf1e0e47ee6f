import { describe, expect, it } from "vitest";
import { hostPlaces, isUsers, userPlaces } from "../../src/plan/places.ts";
import { parseTmpfiles } from "../../src/plan/tmpfiles.ts";
import { ownedByUser, ownerWarnings, refuseForeign } from "../../src/plan/tmpfiles-user.ts";
import { cgroupsPathOf, managerGroup } from "../../src/plan/unit.ts";
import { forManager, refuseEarly, withRuntimeDirectories } from "../../src/plan/unit-user.ts";
import { kim } from "../bed/user.ts";

const places = userPlaces(kim);

describe("78: the places of a user", () => {
  it("are where systemd and systemd-tmpfiles look for that user", () => {
    expect(places).toMatchObject({
      units: "/home/kim/.config/systemd/user",
      tmpfiles: "/home/kim/.config/user-tmpfiles.d",
      configuration: "/home/kim/.config/keelson",
      run: "/run/user/1000",
      conf: "/home/kim/.config",
      state: "/home/kim/.local/share",
    });
    expect(places.unitPath).toContain(places.units);
    expect(places.unitPath.filter((path) => hostPlaces.unitPath.includes(path))).toEqual([]);
  });

  it.each([
    ["/home/kim/x", true],
    ["/run/user/1000/x", true],
    ["/home/kim", false],
    ["/home/kimberly/x", false],
    ["/home/kim/../root/x", false],
    ["/etc/x", false],
  ])("%s is that user's: %s", (path, own) => {
    expect(isUsers(path, kim)).toBe(own);
  });
});

describe("78: the unit of a user's container", () => {
  it("starts at login where it was to start with the host, and is otherwise the image's", () => {
    const text =
      "[Unit]\nAfter=multi-user.target\n[Install]\nWantedBy=multi-user.target my-multi-user.target\n RequiredBy = graphical.target\n";
    expect(forManager(text, hostPlaces)).toBe(text);
    expect(forManager(text, places)).toBe(
      "[Unit]\nAfter=multi-user.target\n[Install]\nWantedBy=default.target my-multi-user.target\n RequiredBy = default.target\n",
    );
  });

  it("makes its directories of the session itself", () => {
    const tmpfiles = (path: string) => ({ path: "/t.conf", text: "", made: [], declared: [path] });
    const unit = "[Service]\nType=simple\n";
    expect(withRuntimeDirectories(unit, tmpfiles("/run/user/1000/x"), places)).toContain(
      "\n[Service]\nExecStartPre=systemd-tmpfiles --user --create /t.conf\n",
    );
    expect(withRuntimeDirectories(unit, tmpfiles("/home/kim/x"), places)).toBe(unit);
    expect(withRuntimeDirectories(unit, undefined, places)).toBe(unit);
    expect(withRuntimeDirectories(unit, tmpfiles("/run/x"), hostPlaces)).toBe(unit);
  });

  it("is of no phase that is over before login", () => {
    expect(() => refuseEarly("pre-network", places)).toThrow(expect.objectContaining({ code: "E_USAGE" }));
    refuseEarly("normal", places);
    refuseEarly("pre-network", hostPlaces);
  });

  it.each([
    ["x", "", "app.slice/x.service"],
    ["x", "Slice=a-b.slice", "a.slice/a-b.slice/x.service"],
    ["my-x@1", "", "app.slice/app-my\\x2dx.slice/my-x@1.service"],
  ])("%s %s: crun finds its cgroup below that of the user's manager", (name, line, expected) => {
    const directives = line === "" ? [] : [{ section: "Service", key: "Slice", value: line.slice(6), line: 1 }];
    const exec = { name, runtimeName: "crun", manager: managerGroup(places) };
    const all = { runtime: "", destdir: "", pidFile: "", runtimeState: "", stopSignal: "", hasSocket: false, ...exec };
    expect(cgroupsPathOf("forking", all, directives)).toBe(
      `/user.slice/user-1000.slice/user@1000.service/${expected}/container`,
    );
  });
});

describe("78: tmpfiles lines of a user", () => {
  it("have no owner but the user, and say what was to be another's", () => {
    const text =
      '# d /x 0755 1 2\nd "/home/kim/a b" 0755 0 0 - -\nd /home/kim/c 0700 33 44 10d\nd /home/kim/d 0700 33\nd /home/kim/e\n';
    expect(ownedByUser(text)).toBe(
      '# d /x 0755 1 2\nd "/home/kim/a b" 0755 - - - -\nd /home/kim/c 0700 - - 10d\nd /home/kim/d 0700 -\nd /home/kim/e\n',
    );
    expect(ownerWarnings(parseTmpfiles(text, "t"))).toEqual([
      "/home/kim/c is root's in the container; give it to 33:44 there with: unshare --map-root-user --map-auto chown 33:44 /home/kim/c",
      "/home/kim/d is root's in the container; give it to 33:0 there with: unshare --map-root-user --map-auto chown 33:0 /home/kim/d",
    ]);
  });

  it.each([
    ["d /home/kim/x", true],
    ["d /run/user/1000/x", true],
    ["d /var/lib/x", false],
    ["L /home/kim/../x", undefined],
    ["D /home/kim/.local/share/x", true],
    ["r /run/user/1000/x/*", true],
    ["R /home/kim/.local/share/*", false],
    ["D /home/kim/x", false],
    ["d /home/kim/Documents - - - 10d", false],
  ])("%s may be: %s", (line, fits) => {
    const check = (): unknown => refuseForeign(parseTmpfiles(`${line}\n`, "t"), "t", places, kim);
    if (fits === true) check();
    else expect(check).toThrow(expect.objectContaining({ code: "E_TMPFILES" }));
  });
});
