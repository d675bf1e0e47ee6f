import { mapIds } from "../../src/plan/id-maps.ts";
import type { User } from "../../src/plan/places.ts";

/** A user without subordinate ids, whose places are where they are by themselves. */
export const kim: User = {
  name: "kim",
  uid: 1000,
  gid: 1000,
  home: "/home/kim",
  runtimeHome: "/run/user/1000",
  configHome: "/home/kim/.config",
  dataHome: "/home/kim/.local/share",
  uidMappings: mapIds(1000, []),
  gidMappings: mapIds(1000, []),
};
