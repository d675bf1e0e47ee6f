/** What was found in an image's /exports. */
export interface Exports {
  /** Text of the control files directly in /exports that keelson knows (see `controlNames`), by file name. */
  readonly controls: ReadonlyMap<string, string>;
  /**
   * Every entry below /exports/hostfs, parents before children, in byte order. Paths are absolute on the host
   * (`/usr/local/bin/x`) and, as link targets are, latin1 strings: one character a byte.
   */
  readonly hostfs: readonly HostfsEntry[];
}

/** One entry below /exports/hostfs. `mode` holds permission bits only, setuid, setgid and sticky among them. */
export type HostfsEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | {
      readonly kind: "file";
      readonly path: string;
      readonly mode: number;
      readonly size: number;
      /** Hex SHA-256 of the content. */
      readonly sha256: string;
      /** The content; throws when it is not UTF-8 or too long to be a template. */
      readonly text: () => string;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  /** What no host file can be; `type` is how messages call it ("fifo", "character device"). */
  | { readonly kind: "special"; readonly path: string; readonly type: string };

/** The names of the files directly in /exports that keelson reads. */
export const controlNames: readonly string[] = [
  "service.template",
  "service.hbs",
  "socket.template",
  "socket.hbs",
  "timer.template",
  "timer.hbs",
  "config.json",
  "config.json.template",
  "config.json.hbs",
  "tmpfiles.template",
  "tmpfiles.hbs",
  "manifest.json",
];
