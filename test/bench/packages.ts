/** The layers of the images that are measured, lowest first: Debian packages, unpacked as files. */
const base =
  "apt base-files bash coreutils debianutils dpkg e2fsprogs findutils gcc-12-base gpgv grep gzip libapt-pkg6.0 libc-bin libc6 " +
  "libgcc-s1 libgnutls30 libpcre2-8-0 libssl3 libstdc++6 libsystemd0 libunistring2 login mount ncurses-base passwd perl-base " +
  "sed tar tzdata util-linux";
const languages = "git libperl5.36 libpython3.11-minimal libpython3.11-stdlib perl-modules-5.36 python3.11-minimal";
const web = "fonts-dejavu-core libgd3 libicu72 nginx nginx-common";
const tools = "libpython3.11 redis-server redis-tools vim vim-runtime";
const scripts = "libnode108 libruby3.1 ruby3.1";
const compilers = "cmake cpp-12 g++-12 gcc-12 gdb";
const toolchains = "golang-1.19-go golang-1.19-src openjdk-17-jre-headless";
const libraries =
  "libboost1.74-dev libclang-14-dev libllvm14 libstd-rust-dev postgresql-15 python3-numpy python3-scipy texlive-base";

export const imageSizes = ["small", "medium", "large"] as const;
export type ImageSize = (typeof imageSizes)[number];

/** The layers of each image but for the last, which is a site of small files and differs between v1 and v2. */
export const layerPackages: Readonly<Record<ImageSize, readonly string[]>> = {
  small: ["etcd-server"],
  medium: [base, languages, web, tools, scripts],
  large: [`${base} ${languages}`, `${web} ${tools}`, scripts, compilers, toolchains, libraries],
};
