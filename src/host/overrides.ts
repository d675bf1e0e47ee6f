import { readFileSync } from "node:fs";
import { parseIni } from "../ini.ts";
import { shownPath } from "../layer/path.ts";
import type { OverrideFile } from "../plan/overrides.ts";
import type { Places } from "../plan/places.ts";
import { namesIn } from "../store/directory.ts";
import type { HostRoot } from "./root.ts";

/** The override files of a container, `/etc/keelson/NAME.d/*.conf` or a user's own, by name. */
export function readOverrides(
  root: HostRoot,
  name: string,
  { configuration }: Pick<Places, "configuration">,
): readonly OverrideFile[] {
  const directory = `${configuration}/${name}.d`;
  return namesIn(root.path(directory))
    .filter((file) => file.endsWith(".conf") && !file.startsWith("."))
    .toSorted()
    .map((file) => {
      const path = `${directory}/${file}`;
      return { path: shownPath(path), sections: parseIni(readFileSync(root.bytes(path), "utf8")) };
    });
}
