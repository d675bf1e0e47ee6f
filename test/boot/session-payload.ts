import { buildImage, type TestImage } from "../bed/images.ts";
import { base, configOf, ends } from "./payloads.ts";

/** An image whose container keeps things where a session, or the host, has what the next boot need not find. */
export function buildSession(): Promise<TestImage> {
  const unit = "[Service]\nExecStart=$EXEC_START\n[Install]\nWantedBy=multi-user.target\n";
  return buildImage({
    layers: [
      {
        ...base(`echo here >/data/seen; ${ends}`),
        data: { kind: "directory", uid: 7, gid: 7 },
        "exports/service.template": unit,
        "exports/tmpfiles.template": "d $RUN_DIRECTORY/$NAME 0700 0 0 - -\n",
        "exports/config.json.template": configOf("$RUN_DIRECTORY/$NAME", "pid", "mount", "network"),
      },
    ],
  });
}
