/** The name under which podwire signs its capture files: the package's version. */
export const VERSION = '0.1.0'
