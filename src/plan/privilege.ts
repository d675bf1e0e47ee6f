/** One thing that a container may do to its host. `does` and `what` together are a sentence about the container. */
export interface Privilege {
  readonly kind:
    | "capability"
    | "device"
    | "namespace"
    | "host-path"
    | "kernel-path"
    | "seccomp"
    | "new-privileges"
    | "root"
    | "host";
  readonly does: string;
  readonly what: string;
}
