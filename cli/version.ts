/** Version of ravn, as `ravn --version` prints it. */
export const VERSION = "0.1.0";
