"""The zone of a pod whose name is known from elsewhere. Pure."""

from enricher.endpoints.history import History


def zone_of_pod(pods: History, namespace: str, pod: str, uid: str = "") -> str:
    """Return the zone of a pod that is in a Service; empty if it is not known, or if slices disagree.

    Without a uid, all pods of that name must have been in the same zone. Only slices in the pod's own namespace can
    name it, so no other tenant has a say in this.
    """
    zones = {
        tenure.owner.zone
        for service in pods.services_of_namespace(namespace)
        for tenure in pods.tenures_of_service(service)
        if tenure.owner.pod == pod and uid in {"", tenure.owner.uid}
    }
    return zones.pop() if len(zones) == 1 else ""
