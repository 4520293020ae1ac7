"""The actions of the service. A public function is one action of a client, usually in one transaction."""
