import { describe, expect, it } from "vitest";
import { resolveUser } from "../../src/plan/user.ts";

const passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\netcd:x:101:102::/:/bin/false\n";
const group = "root:x:0:\netcd:x:102:\nextra:x:7:etcd,other\n";

describe("an image's user", () => {
  it.each([
    ["", { uid: 0, gid: 0, additionalGids: [] }],
    ["etcd", { uid: 101, gid: 102, additionalGids: [7] }],
    ["101", { uid: 101, gid: 102, additionalGids: [7] }],
    ["4711", { uid: 4711, gid: 0, additionalGids: [] }],
    ["etcd:extra", { uid: 101, gid: 7, additionalGids: [] }],
    ["4711:99", { uid: 4711, gid: 99, additionalGids: [] }],
  ])("%j", (user, ids) => {
    expect(resolveUser(user, passwd, group)).toEqual(ids);
  });

  it.each(["nobody-here", "etcd:nobody-here", "4294967295", "-1"])("refuses %j", (user) => {
    expect(() => resolveUser(user, passwd, group)).toThrow(expect.objectContaining({ code: "E_CONFIG" }));
  });
});
