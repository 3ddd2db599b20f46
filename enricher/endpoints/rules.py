"""The rules by which attempts are attributed, each in one line for people. Pure."""

from enum import StrEnum


class Rule(StrEnum):
    """The rule that decided."""

    NOT_AN_IP = "not an IP address: names and unix sockets do not belong to pods"
    NO_HOLDER = "no pod is known to have held the address then, or shortly before or after"
    THROUGHOUT = "one pod held the address for the whole time in question"
    SUCCESSION = "one pod had left within the grace period before, and another pod came during the time in question"
    SEEN_LATER = (
        "no pod had held the address lately, and this pod appeared a moment later: the proxy learnt of it before the "
        "watch"
    )
    BEFORE_HISTORY = (
        "the time in question is before the history of the address begins; this pod was its first known holder"
    )
    LEFT_DURING = "the pod left during the time in question, and no other pod took the address over"
    OUT_OF_SYNC = "the pod held the address when the watch or the recording last reported anything, which was earlier"
    LEFT_AT_UNKNOWN_TIME = "the pod left at a time that is not known exactly, and no other pod was seen to take over"
    LEFT_BEFORE = "the pod had left within the grace period before, and no other pod had taken the address over"
    NO_TIME = "the time of the attempt or of the endpoints is not known; this is the latest holder of the address"
    FIXED = "the endpoints file assigns the address to this owner for all times"
    SEVERAL = "several pods held the address during the time in question, or one of them did and it is not known which"
    NAMED_NEWCOMER = (
        "this pod appeared at that time or a moment later, and it is in the service that the proxy names; of the "
        "others that were named at the address then or shortly before, none is"
    )
    SHARED = (
        "slices named several pods at the address at that time; this is the one in the service that the proxy names, "
        "but which of them answers there is not certain"
    )
    SHARED_BEFORE = (
        "the pod held the address for the whole time in question, but slices had named another pod there, which is too "
        "long ago to be in the history"
    )
    CROWDED = "slices named so many pods at the address at about that time that they are not compared"
    SOLE_MEMBER = "the address is the cluster IP of a service, and no other pod of the service could have served"
    UNKNOWN_PORT = "no EndpointSlice names the port: on a host's address another process may use it"
    FOREIGN_PORT = (
        "nobody answered, no EndpointSlice names the port, and the proxy names a service of another namespace than the "
        "pod's: such a service can be led to any address"
    )
    SEVERAL_MEMBERS = "the address is the cluster IP of a service: any of its pods could have served"
    REPORTED = "the log line itself names the pod"
